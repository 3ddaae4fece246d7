// The video of one camera by WebRTC: each picture is shown as soon as it is there, with what is in it.

import { at, socketAt } from './base.js';
import { gathered, relaysOf } from './ice.js';
import { Objects } from './objects.js';
import { closeSocket, Player } from './player.js';

const GATHER_MS = 500;
const TICKS = 90_000;
const SAME_S = 0.001; // pictures at times that are nearer than this are one
const HOLD_MS = 50; // a picture waits for so long for what is in it
const MOST_HELD = 3;

// Why this browser cannot play video by WebRTC; empty where it can.
export function canPlay() {
  if (!window.RTCPeerConnection) return 'this browser has no WebRTC, or it is switched off';
  if (!HTMLVideoElement.prototype.requestVideoFrameCallback) return 'this browser does not tell which picture it shows';
  const { codecs } = RTCRtpReceiver.getCapabilities('video') ?? { codecs: [] };
  return codecs.some(({ mimeType }) => mimeType === 'video/H264') ? '' : 'this browser plays no H.264 by WebRTC';
}

export class WebRtc extends Player {
  // `iceServers()` tells RTCIceServers; the passwords of relays change.
  constructor(iceServers, ...known) {
    super(...known);
    this.iceServers = iceServers;
    this.open();
  }

  async open() {
    const iceServers = this.iceServers();
    const peer = new RTCPeerConnection({ iceServers });
    this.peer = peer;
    const relays = relaysOf(peer);
    this.objects = new Objects();
    this.held = [];
    this.last = null; // time stamp of RTP that was seen last, without its wraps
    this.shownAt = 0; // time in the video of the newest picture that came
    this.waitForPicture(() => `its video did not begin within 3 s: ${relays.problem || 'UDP may not pass'}`);
    peer.addTransceiver('video', { direction: 'recvonly' });
    peer.addEventListener('track', ({ track, receiver }) => {
      receiver.jitterBufferTarget = 0;
      this.playTrack(track);
    });
    try {
      await peer.setLocalDescription();
      // Through a NAT the server has to know this browser's addresses; else it learns them when they are tried.
      if (iceServers.length) await gathered(peer, GATHER_MS);
      if (this.peer !== peer) return;
      const answer = await fetch(at(`api/cameras/${encodeURIComponent(this.camera)}/whep`), {
        method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: peer.localDescription.sdp,
      }).catch(() => null);
      const text = await answer?.text().catch(() => '');
      if (this.peer !== peer) {
        if (answer?.ok) fetch(at(answer.headers.get('Location').slice(1)), { method: 'DELETE' }).catch(() => {});
      } else if (!answer) {
        this.again('no connection to the server, trying again');
      } else if (answer.status === 503) {
        this.again(text);
      } else if (!answer.ok) {
        this.fail(text.trim());
      } else {
        this.listen(answer.headers.get('Location'));
        await peer.setRemoteDescription({ type: 'answer', sdp: text });
      }
    } catch (error) {
      if (this.peer === peer) this.fail(`WebRTC does not work here: ${error.message}`);
    }
  }

  // What is said beside the pictures; the server ends the session when this is closed.
  listen(path) {
    const socket = new WebSocket(socketAt(path.slice(1)));
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      if (this.socket !== socket) return;
      const said = JSON.parse(data);
      if (said.stamps) this.begin(said.stamps);
      else if (said.rtp !== undefined) this.sent(said.rtp, said.stamp);
      else if (said.smaller !== undefined) this.onSmaller(said.smaller);
      else if (said.refused) this.again(said.refused);
      else if (said.notice !== undefined) this.waitFor(said.notice);
      else this.know(said);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.socket === socket) this.again(code === 4000 ? `${reason}; trying again` : 'no connection to the server, trying again');
    };
  }

  // Another video, or the same once more.
  begin(stamps) {
    if (stamps !== this.objects.stamps) this.objects = new Objects(stamps);
  }

  sent(rtp, stamp) {
    const time = this.timeOf(rtp);
    this.objects.place(stamp, time);
    if (!this.patience && time > this.shownAt) this.waitForPicture(() => 'pictures that were sent have not come for 3 s');
    this.show();
  }

  know(objects) {
    this.objects.know(objects);
    this.show();
  }

  // Seconds in the video: time stamps of RTP begin anew after 2^32.
  timeOf(rtp) {
    if (this.last === null) this.last = rtp + 2 ** 32;
    const time = this.last + ((rtp - (this.last % 2 ** 32)) | 0);
    this.last = Math.max(this.last, time);
    return time / TICKS;
  }

  playTrack(track) {
    const video = this.addVideo();
    video.srcObject = new MediaStream([track]);
    this.play();
    const shown = (now, { rtpTimestamp, mediaTime }) => {
      if (this.video !== video) return;
      if (rtpTimestamp === undefined) {
        this.fail('this browser does not tell which picture it shows');
        return;
      }
      this.hold(video, this.timeOf(rtpTimestamp), mediaTime);
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
  }

  // Keeps a picture until it is known what is in it, but not for long.
  async hold(video, time, mediaTime) {
    this.works();
    this.shownAt = time;
    const picture = frameOf(video) ?? await createImageBitmap(video).catch(() => null);
    if (!picture) return;
    // A page that is late finds a newer picture than it was called for. That is left out, unless the one before was, too.
    this.isLate = !this.isLate && Math.abs(picture.timestamp / 1e6 - mediaTime) > SAME_S;
    if (this.isLate || this.video !== video) {
      picture.close();
      return;
    }
    this.held.push({ picture, time, until: performance.now() + HOLD_MS });
    setTimeout(() => this.show(), HOLD_MS + 1);
    this.show();
  }

  // Draws the newest picture of which is known what is in it, or that has waited for long enough.
  show() {
    const now = performance.now();
    const { newest } = this.objects;
    const isReady = ({ time, until }) => time <= newest + 0.001 || time - newest > 1 || now >= until;
    let ready = null;
    while (this.held.length && (isReady(this.held[0]) || this.held.length > MOST_HELD)) {
      ready?.picture.close();
      ready = this.held.shift();
    }
    if (!ready) return;
    const { picture, time } = ready;
    const width = picture.displayWidth ?? picture.width;
    const height = picture.displayHeight ?? picture.height;
    picture.width ??= width;
    picture.height ??= height;
    this.onPicture(picture, this.objects.at(time, width, height));
    picture.close();
    this.onNotice('');
  }

  disconnect() {
    const { peer, socket } = this;
    this.peer = this.socket = null;
    peer?.close();
    if (socket) closeSocket(socket);
    this.end();
  }

  end() {
    const { video } = this;
    this.video = null;
    for (const { picture } of this.held) picture.close();
    this.held = [];
    if (!video) return;
    video.remove();
    video.srcObject = null;
  }
}

// The picture that is shown, without a copy; null where it has gone meanwhile. Browsers have VideoFrame over https and on the
// machine itself.
function frameOf(video) {
  try {
    return window.VideoFrame ? new VideoFrame(video) : null;
  } catch {
    return null;
  }
}
