// The video of one camera as it sends it, played by the browser, with what is in each picture.

import { socketAt } from './base.js';
import { Objects } from './objects.js';
import { closeSocket, Player } from './player.js';

const BEHIND_S = 0.3;
const HEAD_BYTES = 17;
const KEPT_S = 20;

// Why this browser cannot play a codec; empty where it can.
export function canPlay(codec) {
  if (!window.MediaSource) return 'this browser has no Media Source Extensions';
  if (!HTMLVideoElement.prototype.requestVideoFrameCallback) return 'this browser does not tell which picture it shows';
  return MediaSource.isTypeSupported(type(codec)) ? '' : `this browser does not play ${codec}`;
}

function type(codec) {
  return `video/mp4; codecs="${codec}"`;
}

export class Video extends Player {
  constructor(...known) {
    super(...known);
    this.waitForVideo();
    this.open();
  }

  waitForVideo() {
    this.waitForPicture(() => 'its video did not begin within 3 s');
  }

  open() {
    const socket = new WebSocket(socketAt(`api/cameras/${encodeURIComponent(this.camera)}/video`));
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      if (this.closed || this.socket !== socket) return;
      if (typeof data !== 'string') {
        this.take(data);
        return;
      }
      const said = JSON.parse(data);
      if (said.codec) this.begin(said);
      else if (said.refused) this.again(said.refused);
      else if (said.notice !== undefined) this.waitFor(said.notice);
      else if (this.video) this.objects.know(said);
    };
    socket.onclose = ({ code }) => {
      if (this.closed) return;
      this.again(code === 4000 ? 'too slow for this video, trying again' : 'no connection to the server, trying again');
    };
  }

  begin({ codec, stamps, smaller }) {
    this.onSmaller(smaller);
    this.end();
    this.waitForVideo();
    this.expectsHead = true;
    this.queue = [];
    this.objects = new Objects(stamps);
    this.keys = [];
    this.mayJumpAt = 0;
    const source = new MediaSource();
    const video = this.addVideo();
    video.src = URL.createObjectURL(source);
    video.onerror = () => this.video === video && this.fail(`it cannot be played: ${video.error.message}`);
    source.onsourceopen = () => {
      URL.revokeObjectURL(video.src);
      if (this.video !== video) return;
      this.buffer = source.addSourceBuffer(type(codec));
      this.buffer.onupdateend = () => this.video === video && this.appended();
      this.append();
    };
    const shown = (_, { mediaTime }) => {
      if (this.video !== video) return;
      this.show(mediaTime);
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
  }

  take(data) {
    if (this.expectsHead) {
      this.expectsHead = false;
      this.queue.push(new Uint8Array(data));
    } else {
      const head = new DataView(data);
      const time = head.getFloat64(0);
      if (head.getUint8(16)) this.keys.push(time);
      this.objects.place(head.getFloat64(8), time);
      this.queue.push(new Uint8Array(data, HEAD_BYTES));
    }
    this.append();
  }

  append() {
    if (!this.buffer || this.buffer.updating || !this.queue.length) return;
    const whole = new Uint8Array(this.queue.reduce((sum, each) => sum + each.length, 0));
    let at = 0;
    for (const each of this.queue) {
      whole.set(each, at);
      at += each.length;
    }
    this.queue = [];
    try {
      this.buffer.appendBuffer(whole);
    } catch (error) {
      this.fail(`it cannot be played: ${error.message}`);
    }
  }

  appended() {
    if (this.video.error) return;
    this.steer();
    // Only whole groups of pictures are removed: a browser removes up to the next key frame, which may be the one that is shown.
    const until = this.keys.findLast((time) => time < this.video.currentTime - KEPT_S);
    if (until > 0 && !this.buffer.updating) {
      this.keys = this.keys.filter((time) => time >= until);
      this.buffer.remove(0, until - 0.001);
    } else {
      this.append();
    }
  }

  // Keeps the picture at the newest one of which is known what is in it, or at the end where nothing is known.
  steer() {
    const { video } = this;
    const { buffered } = video;
    if (!buffered.length) return;
    const end = buffered.end(buffered.length - 1);
    const { newest } = this.objects;
    const lag = (newest > end - 2 ? newest : end) - video.currentTime;
    const now = performance.now();
    if ((lag > BEHIND_S || video.currentTime < buffered.start(0)) && !video.seeking && now > this.mayJumpAt) {
      video.currentTime = Math.max(buffered.start(buffered.length - 1), video.currentTime + lag - 0.05);
      // All from the key frame on has to be decoded: where that takes long, another jump at once would only make it worse.
      this.mayJumpAt = now + 1000;
    }
    video.playbackRate = lag < 0.02 ? 0.9 : lag > 0.12 ? 1.15 : 1;
    if (video.paused) this.play();
  }

  show(mediaTime) {
    this.works();
    const { video } = this;
    // A late page may find a newer picture than it was called for. A VideoFrame says which one it is; browsers have it over
    // https and on the machine itself.
    const picture = window.VideoFrame ? new VideoFrame(video) : video;
    picture.width = video.videoWidth;
    picture.height = video.videoHeight;
    const time = window.VideoFrame ? picture.timestamp / 1e6 : mediaTime;
    this.onPicture(picture, this.objects.at(time, video.videoWidth, video.videoHeight));
    if (picture !== video) picture.close();
    this.onNotice('');
    this.steer();
  }

  end() {
    const { video } = this;
    this.video = this.buffer = null;
    if (!video) return;
    video.onerror = null;
    video.remove();
    video.removeAttribute('src');
    video.load();
  }

  disconnect() {
    const { socket } = this;
    socket.onclose = null;
    closeSocket(socket);
  }
}
