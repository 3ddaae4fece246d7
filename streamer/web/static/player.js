// What all ways to play a camera's video have in common: patience, trying again, giving up, and the video element.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
const PATIENCE_MS = 3000; // without a picture for so long, another way is taken

export class Player {
  // `onPicture` and `onNotice` as for Pictures. `onSmaller(why)`: the pictures are smaller than they could be ("" when not).
  // `onFailed(reason)`: it does not work, and is closed. Browsers show every picture in time only of a video that is part of the
  // page: it lies under `canvas`.
  constructor(camera, canvas, onPicture, onNotice, onSmaller, onFailed) {
    this.camera = camera;
    this.canvas = canvas;
    this.onPicture = onPicture;
    this.onNotice = onNotice;
    this.onSmaller = onSmaller;
    this.onFailed = onFailed;
    this.pauseMs = FIRST_PAUSE_MS;
  }

  // Each way has open(), disconnect(), which ends what that began, and end(), which lets go of the video.

  // `why()` is asked when nothing has come.
  waitForPicture(why) {
    this.waitNoMore();
    this.patience = setTimeout(() => this.fail(why()), PATIENCE_MS);
  }

  waitNoMore() {
    clearTimeout(this.patience);
    this.patience = 0;
  }

  // Nothing comes for a reason that another way would not change.
  waitFor(notice) {
    this.waitNoMore();
    this.onNotice(notice);
  }

  again(notice) {
    this.disconnect();
    this.waitFor(notice);
    this.timer = setTimeout(() => this.open(), this.pauseMs);
    this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS);
  }

  // A picture has come.
  works() {
    this.waitNoMore();
    this.pauseMs = FIRST_PAUSE_MS;
  }

  addVideo() {
    const video = document.createElement('video');
    this.video = video;
    video.className = 'under';
    video.setAttribute('aria-hidden', 'true');
    this.canvas.before(video);
    video.muted = true;
    video.playsInline = true;
    return video;
  }

  play() {
    this.video.play().catch((error) => error.name === 'AbortError' || this.fail(`it is not played: ${error.message}`));
  }

  fail(reason) {
    if (this.closed) return;
    this.close();
    this.onFailed(reason);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.waitNoMore();
    this.disconnect();
    this.end();
  }
}

// A connection that is closed while it is made makes browsers complain.
export function closeSocket(socket) {
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}
