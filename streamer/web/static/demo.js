// The webcam demo: camera, test scene or clip to the server by WebRTC, and back with what was found.

import { gathered, relaysOf } from './ice.js';
import { Mark } from './mark.js';

const at = (id) => document.getElementById(id);
const shown = at('shown');
const STATUS_MS = 1000;
const GATHER_MS = 1000;
const CONNECT_MS = 15000;

let connection = null;
let session = '';
let camera = null;
let timer = 0;
let looking = null;   // ends a question that is under way
let mark = null;
let offered = { ice_servers: [] };

function say(state, kind = 'good') {
  at('state').textContent = state;
  at('state').className = `state ${kind}`;
}

function complain(text) {
  at('problem').textContent = text;
}

async function asked(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error('The server does not answer.');
  }
  if (answer.status === 401) location.assign('login');
  if (!answer.ok) throw new Error((await answer.text()).trim() || `The server says ${answer.status}.`);
  return answer.json();
}

function chosen() {
  const classes = at('classes').value.split(',').map((name) => name.trim()).filter(Boolean);
  return {
    detector: at('detector').value,
    background: at('background').value,
    draw: [...document.querySelectorAll('[name=draw]:checked')].map((box) => box.value),
    classes: classes.length ? classes : null,
  };
}

// Why a browser gives no camera, in words that say what to do.
function noCamera(error) {
  if (error.name === 'NotAllowedError') return 'The camera was refused. Allow it beside the address, or take the test scene.';
  if (error.name === 'NotFoundError') return 'There is no camera here. Take the test scene, or bring a clip.';
  if (error.name === 'NotReadableError') return 'The camera is in use by another program.';
  if (error.name === 'OverconstrainedError') return 'This camera has no such picture: choose another one.';
  return `The camera cannot be used: ${error.message}`;
}

async function openCamera() {
  const [width, height] = at('size').value.split('x').map(Number);
  const wanted = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30 } };
  if (at('cameras').value) wanted.deviceId = { exact: at('cameras').value };
  const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  const devices = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === 'videoinput');
  const current = stream.getVideoTracks()[0].getSettings().deviceId;
  at('cameras').replaceChildren(...devices.map((device, i) => new Option(device.label || `camera ${i + 1}`, device.deviceId, false, device.deviceId === current)));
  at('cameras').disabled = devices.length < 2;
  return stream;
}

async function start(source) {
  await stop();
  complain('');
  say('connecting', 'warn');
  try {
    if (!window.RTCPeerConnection) throw new Error('This browser has no WebRTC, or it is switched off.');
    // Anew: the passwords of relays end after an hour.
    const { ice_servers: iceServers } = offered.ice_servers.length ? await asked('api/demo') : offered;
    const peer = connection = new RTCPeerConnection({ iceServers });
    const relays = relaysOf(peer);
    if (source === 'camera') {
      try {
        camera = await openCamera();
      } catch (error) {
        throw new Error(noCamera(error));
      }
      mark = new Mark(camera, () => at('mirror').checked, (ms) => { at('trip').textContent = `${Math.round(ms)} ms`; });
      const track = await mark.track();
      track.contentHint = 'detail';
      peer.addTransceiver(track, { direction: 'sendrecv' });
    } else {
      peer.addTransceiver('video', { direction: 'recvonly' });
    }
    peer.addEventListener('track', (event) => {
      event.receiver.jitterBufferTarget = 0;
      shown.srcObject = new MediaStream([event.track]);
      shown.play().catch(() => {});
    });
    peer.addEventListener('connectionstatechange', async () => {
      if (connection !== peer || !['failed', 'disconnected'].includes(peer.connectionState)) return;
      await look(); // the server may say why
      if (connection === peer) {
        complain('The connection is lost. Start again.');
        stop();
      }
    });
    await peer.setLocalDescription();
    await gathered(peer, GATHER_MS);
    const answer = await asked('api/demo/sessions', {
      method: 'POST', body: JSON.stringify({ sdp: peer.localDescription.sdp, source, choice: chosen() }),
    });
    if (connection !== peer) {  // stopped meanwhile
      fetch(`api/demo/sessions/${answer.session}`, { method: 'DELETE', keepalive: true });
      return;
    }
    session = answer.session;
    await peer.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    at('stop').hidden = false;
    setTimeout(() => {
      if (connection === peer && peer.connectionState !== 'connected') {
        complain(relays.problem
          ? `No connection: ${relays.problem}.`
          : 'No connection: a firewall or a VPN may keep UDP between this browser and the server away.');
        stop();
      }
    }, CONNECT_MS);
    timer = setInterval(look, STATUS_MS);
  } catch (error) {
    complain(error.message);
    await stop();
  }
}

async function stop() {
  clearInterval(timer);
  if (looking) looking.abort();
  if (mark) mark.stop();
  if (camera) camera.getTracks().forEach((track) => track.stop());
  if (connection) connection.close();
  const gone = session;
  connection = camera = mark = null;
  session = '';
  shown.srcObject = null;
  delete shown.dataset.pictures;
  at('notice').hidden = false;
  at('stop').hidden = true;
  for (const figure of ['trip', 'fps', 'detector-ms', 'mask-ms', 'guests']) at(figure).textContent = '–';
  say('ready');
  if (gone) await fetch(`api/demo/sessions/${gone}`, { method: 'DELETE', keepalive: true }).catch(() => {});
}

async function look() {
  if (!session) return;
  try {
    looking = new AbortController();
    const told = await asked(`api/demo/sessions/${session}`, { signal: looking.signal });
    if (!session) return;
    const ms = (value) => (value === null ? '–' : `${Math.round(value)} ms`);
    at('fps').textContent = `${told.shown_fps} of ${told.taken_fps} /s`;
    at('detector-ms').textContent = `${ms(told.detector_ms)}, ${told.detections_fps} /s`;
    at('mask-ms').textContent = told.mask_ms ? ms(told.mask_ms) : '–';
    at('guests').textContent = `${told.guests} of ${told.most}`;
    complain(told.problem);
    say(told.awaiting || (shown.dataset.pictures ? 'running' : 'connecting'), told.awaiting || !shown.dataset.pictures ? 'warn' : 'good');
  } catch (error) {
    if (session && !looking.signal.aborted) { complain(error.message); await stop(); }
  }
}

async function choose() {
  if (!session) return;
  try {
    await asked(`api/demo/sessions/${session}`, { method: 'POST', body: JSON.stringify(chosen()) });
  } catch (error) {
    complain(error.message);
  }
}

function count(_now, metadata) {
  shown.dataset.pictures = metadata.presentedFrames;
  at('picture').classList.toggle('marked', Boolean(mark));
  at('picture').style.aspectRatio = `${shown.videoWidth} / ${shown.videoHeight * (mark ? 29 / 30 : 1)}`;
  at('notice').hidden = true;
  if (mark) mark.read(shown);
  shown.requestVideoFrameCallback(count);
}

async function bring(file) {
  if (!file) return;
  complain('');
  if (file.size > offered.upload_mb * 1e6) { complain(`A clip may have ${offered.upload_mb} MB at most.`); return; }
  await stop();
  say('bringing the clip', 'warn');
  try {
    const { clip } = await asked('api/demo/clips', { method: 'POST', body: file, headers: { 'Content-Type': 'application/octet-stream' } });
    await start(`clip:${clip}`);
  } catch (error) {
    complain(error.message);
    say('ready');
  }
}

async function begin() {
  try {
    offered = await asked('api/demo');
  } catch (error) {
    complain(error.message);
    return;
  }
  at('detector').replaceChildren(...offered.detectors.map((name) => new Option(name, name)));
  const words = { none: 'as it is', blur: 'blurred behind people', pixelate: 'pixelated behind people', fill: 'grey behind people' };
  at('background').replaceChildren(...offered.backgrounds.map((name) => new Option(words[name] || name, name)));
  at('names').replaceChildren(...offered.classes.map((name) => new Option(name)));
  at('sign-out').hidden = !offered.signed_in;
  if (!navigator.mediaDevices) {
    at('camera').disabled = true;
    complain(`Browsers give a camera only to https and to this very machine. Serve this page by https (streamer web --tls-cert FILE --tls-key FILE), or open http://127.0.0.1:${location.port || 80} on the server itself.`);
  }
  if (!offered.may_start) {
    for (const id of ['camera', 'test', 'clip']) at(id).disabled = true;
    complain('You are signed in to look only: starting needs the other token (web_token).');
  }
  say('ready');
}

at('camera').addEventListener('click', () => start('camera'));
at('test').addEventListener('click', () => start('test'));
at('stop').addEventListener('click', stop);
at('clip').addEventListener('change', (event) => { bring(event.target.files[0]); event.target.value = ''; });
at('choice').addEventListener('submit', (event) => event.preventDefault());
at('choice').addEventListener('change', (event) => {
  if (['cameras', 'size'].includes(event.target.id)) { if (camera) start('camera'); } else if (event.target.id !== 'mirror') choose();
});
at('sign-out').addEventListener('click', async () => { await stop(); await fetch('logout', { method: 'POST' }); location.assign('login'); });
addEventListener('pagehide', () => { if (session) fetch(`api/demo/sessions/${session}`, { method: 'DELETE', keepalive: true }); });
shown.requestVideoFrameCallback(count);
begin();
