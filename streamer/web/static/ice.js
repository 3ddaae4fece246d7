// How a WebRTC connection finds its way.

// All addresses of this browser in one go, or those that are there after `ms`; none of this machine's own takes long.
export function gathered(peer, ms) {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, ms);
    const look = () => {
      if (peer.iceGatheringState !== 'complete') return;
      clearTimeout(late);
      resolve();
    };
    peer.addEventListener('icegatheringstatechange', look);
    look();
  });
}

// What goes wrong with relays (TURN), told by `problem` in words that say what to do.
export function relaysOf(peer) {
  const relays = { problem: '' };
  peer.addEventListener('icecandidateerror', ({ url, errorCode, errorText }) => {
    if (!/^turns?:/.test(url)) return;
    const why = errorCode === 401 ? 'refuses the login that streamer made' : `does not help: ${errorText || 'no answer'} (${errorCode})`;
    relays.problem = `the relay ${url} ${why}`;
  });
  return relays;
}
