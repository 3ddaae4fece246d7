// Where the server is: pages may lie under a path of a proxy, so that no address begins with "/".

const root = new URL('..', import.meta.url);

export function at(path) {
  return new URL(path, root).href;
}

// The same for a WebSocket.
export function socketAt(path) {
  return at(path).replace(/^http/, 'ws');
}
