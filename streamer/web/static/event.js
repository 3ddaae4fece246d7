// One event: its clip with what was found drawn over it, its picture, and what is known of it.

import { at } from './base.js';
import { drawObjects, LAYERS } from './drawing.js';
import { fullTime, length, sizeOf } from './moments.js';
import { Records } from './records.js';
import { session } from './session.js';

const LOOK_MS = 2000;
const FINE = 1280;
const id = location.pathname.split('/').pop();
const address = at(`api/events/${encodeURIComponent(id)}`);
const video = document.querySelector('#player video');
const canvas = document.querySelector('#player canvas');
const notice = document.getElementById('clip-notice');
const shown = Object.fromEntries(LAYERS.map((layer) => [layer, layer !== 'boxes']));
let part = 0;
let records = null;
let parts = [];
let last = null;

const element = (name) => document.getElementById(name);

function time(name, utc, text) {
  element(name).textContent = fullTime(utc);
  element(name).dateTime = text;
  element(`${name}-utc`).textContent = text;
}

function tell(event) {
  const classes = event.classes.map((each) => each.name).join(', ');
  document.title = `${classes}, ${event.camera} – streamer`;
  element('what').textContent = classes;
  element('state').hidden = event.end_utc !== null;
  element('camera').textContent = event.camera;
  time('began', event.start_utc, event.start_time);
  if (event.end_utc === null) element('ended').textContent = 'It goes on.';
  else time('ended', event.end_utc, event.end_time);
  element('length').textContent = event.end_utc === null ? '' : length(event.end_utc - event.start_utc);
  element('objects').textContent = event.classes.map((each) => `${each.name} ${each.score.toFixed(2)}`).join(', ');
  element('zones').textContent = event.zones.join(', ') || 'none';
  element('footage').href = at(`footage?${new URLSearchParams({ camera: event.camera, at: event.start_time })}`);
  element('footage').hidden = false;
  element('picture').hidden = !event.has_snapshot;
  if (event.has_snapshot) picture(event);
  clip(event);
}

let pictured = null;
function picture(event) {
  pictured = event;
  const clean = element('drawn').getAttribute('aria-pressed') !== 'true';
  const source = `${address}/snapshot.jpg?of=${event.end_utc ?? event.seen_utc ?? ''}${clean ? '&clean=1' : ''}`;
  const image = element('snapshot');
  if (image.getAttribute('src') !== source) image.src = source;
  image.alt = `${element('what').textContent} before the camera ${event.camera}`;
  element('save-picture').href = `${source}&download=1`;
}

function clip(event) {
  element('no-clip').textContent = event.clip.length
    ? ''
    : event.clip_stays
      ? 'The clip shows what privacy covers: it stays on the machine of streamer.'
      : event.has_clip
        ? 'The clip is not there yet, or not any more.'
        : event.end_utc === null
          ? 'The clip is cut when the event has ended.'
          : 'There is no clip: footage of the camera was not recorded.';
  element('clip').hidden = !event.clip.length;
  if (event.clip.length && event.clip.length !== parts.length) {
    parts = event.clip;
    const box = element('parts');
    box.querySelectorAll('button').forEach((button) => button.remove());
    if (parts.length > 1) {
      parts.forEach((_, index) => {
        const button = document.createElement('button');
        button.type = 'button';
        button.textContent = `Part ${index + 1}`;
        button.addEventListener('click', () => load(index + 1));
        box.append(button);
      });
    }
    load(1);
  }
}

function load(number) {
  part = number;
  last = null;
  notice.textContent = '';
  element('parts').querySelectorAll('button').forEach((button, index) => button.setAttribute('aria-pressed', String(index + 1 === number)));
  records?.close();
  records = new Records(address, number, (why) => {
    if (!video.error) notice.textContent = why ? `Nothing is drawn: ${why}.` : '';
    element('layers').disabled = why !== '';
    paint();
  });
  video.src = `${address}/clip?part=${number}`;
  const save = element('save-clip');
  save.href = `${address}/clip?part=${number}&download=1`;
  save.textContent = `Download the clip (${sizeOf(parts[number - 1].bytes)})`;
}

video.addEventListener('error', () => {
  notice.textContent = `This browser does not play the clip (${parts[part - 1]?.codec.toUpperCase()}): download it for another player.`;
});

// Draws what was found in the very picture that is shown.
function paint() {
  if (last === null || !video.videoWidth) return;
  const finer = Math.max(1, FINE / video.videoWidth); // labels of a small picture can be read, too
  const [width, height] = [video.videoWidth, video.videoHeight].map((side) => Math.round(side * finer));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d');
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  const found = records?.near(last);
  canvas.dataset.at = String(last);
  canvas.dataset.of = found ? String(found.at) : '';
  if (found) drawObjects(context, found, shown, new Set());
}

function onPicture(_, { mediaTime }) {
  last = mediaTime;
  records?.want(last);
  paint();
  video.requestVideoFrameCallback(onPicture);
}

if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(onPicture);
else {
  const follow = () => {
    last = video.currentTime;
    records?.want(last);
    paint();
    requestAnimationFrame(follow);
  };
  follow();
}

for (const button of document.querySelectorAll('[data-layer]')) {
  button.addEventListener('click', () => {
    shown[button.dataset.layer] = !shown[button.dataset.layer];
    button.setAttribute('aria-pressed', String(shown[button.dataset.layer]));
    paint();
  });
}

element('drawn').addEventListener('click', (event) => {
  const pressed = event.currentTarget.getAttribute('aria-pressed') === 'true';
  event.currentTarget.setAttribute('aria-pressed', String(!pressed));
  picture(pictured);
});
element('full').addEventListener('click', () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else element('player').requestFullscreen();
});
element('link').value = location.href;
element('link').addEventListener('focus', (event) => event.currentTarget.select());

let tag = '';
async function look() {
  let done = false;
  try {
    const answer = await fetch(address, { headers: tag ? { 'If-None-Match': tag } : {}, cache: 'no-store' });
    if (answer.status === 401) location.replace(at('login'));
    if (answer.status === 404) {
      element('problem').textContent = 'There is no such event: it may have been removed since.';
      done = true;
    } else if (answer.ok) {
      tag = answer.headers.get('ETag');
      const event = await answer.json();
      element('problem').textContent = '';
      tell(event);
      done = event.end_utc !== null && (event.clip.length > 0 || !event.has_clip);
    } else if (answer.status !== 304) element('problem').textContent = (await answer.text()).trim();
  } catch {
    element('problem').textContent = 'The server does not answer; trying again.';
  }
  if (!done) setTimeout(look, LOOK_MS);
}

session();
look();
