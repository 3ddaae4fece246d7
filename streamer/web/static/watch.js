// One camera on the page, by the best way that there is: WebRTC, else video over a WebSocket, else JPEG pictures.

import { Pictures } from './pictures.js';
import { canPlay, Video } from './video.js';
import { canPlay as canPlayWebRtc, WebRtc } from './webrtc.js';

const failed = new Map(); // by camera, codec and way, why it was given up

export class Watch {
  // `onWay(text, why)` is told how the pictures come, and why not better.
  // A video lies under `canvas`, on which its pictures are drawn. `iceServers()` tells what helps WebRTC just now.
  constructor(camera, iceServers, canvas, onPicture, onNotice, onWay) {
    this.iceServers = iceServers;
    this.canvas = canvas;
    this.onPicture = onPicture;
    this.onNotice = onNotice;
    this.onWay = onWay;
    this.choose(camera);
  }

  // To be called whenever more is known of the camera: the way may change.
  choose(camera) {
    const { way, why } = wayOf(camera);
    const whole = keyOf(camera, way);
    if (this.whole === whole && this.why === why) return;
    const changed = this.whole !== whole;
    this.whole = whole;
    this.why = why;
    const text = way !== 'JPEG' && camera.encoded ? `${way}, encoded` : way;
    this.onWay(text, why);
    if (!changed) return;
    this.source?.close();
    const onSmaller = (smaller) => this.onWay(text, [why, smaller].filter(Boolean).join('; '));
    const onFailed = (reason) => {
      failed.set(keyOf(camera, way), reason);
      this.choose(camera);
    };
    const known = [camera.name, this.canvas, this.onPicture, this.onNotice, onSmaller, onFailed];
    if (way === 'WebRTC') {
      this.source = new WebRtc(this.iceServers, ...known);
    } else if (way === 'MSE') {
      this.source = new Video(...known);
    } else {
      this.source = new Pictures(camera.name, this.onPicture, this.onNotice);
    }
  }

  close() {
    this.source.close();
  }
}

// The best way for a camera, and why not a better one.
function wayOf(camera) {
  if (!camera.video) return { way: 'JPEG', why: camera.why_not };
  const { way, whyNot } = playable(camera);
  return { way, why: [camera.encoded, ...whyNot].filter(Boolean).join('; ') };
}

function playable(camera) {
  const noWebRtc = camera.why_not_webrtc || failed.get(keyOf(camera, 'WebRTC')) || canPlayWebRtc();
  if (!noWebRtc) return { way: 'WebRTC', whyNot: [] };
  const noMse = failed.get(keyOf(camera, 'MSE')) ?? canPlay(camera.video);
  if (!noMse) return { way: 'MSE', whyNot: [noWebRtc] };
  return { way: 'JPEG', whyNot: noWebRtc === noMse ? [noMse] : [noWebRtc, noMse] };
}

function keyOf(camera, way) {
  return `${way} ${camera.name} ${camera.encoded ? 'encoded' : camera.video}`;
}
