// The wall: a card for each camera, a large view of one.

import { at } from './base.js';
import { draw, LAYERS, ZONES } from './drawing.js';
import { Watch } from './watch.js';

const LOOK_MS = 1000;
const wall = document.getElementById('wall');
const template = document.getElementById('camera');
const large = document.getElementById('large');
const cards = new Map();
const shown = Object.fromEntries([...LAYERS, ZONES].map((layer) => [layer, layer !== 'boxes']));
const hidden = new Set();
const seenClasses = new Set();
let iceServers = [];

class Card {
  constructor(name) {
    this.name = name;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.querySelector('h2').textContent = name;
    this.element.querySelector('.name-of').textContent = `${name}, enlarge`;
    this.canvas = this.element.querySelector('canvas');
    this.canvas.setAttribute('aria-hidden', 'true');
    this.notice = this.element.querySelector('.notice');
    this.element.querySelector('.open').addEventListener('click', () => view.open(this.name));
    wall.append(this.element);
    observer.observe(this.element);
  }

  update(camera) {
    this.camera = camera;
    const [kind, text] = stateOf(camera);
    const state = this.element.querySelector('.state');
    state.className = `state ${kind}`;
    state.textContent = text;
    const figures = {
      fps: `${camera.process_fps.toFixed(1)} fps`,
      detections: `${camera.detection_fps.toFixed(1)} fps`,
      latency: camera.latency_ms.e2e ? `${Math.round(camera.latency_ms.e2e.median)} ms` : '–',
      mask: camera.mask_age_s === null ? '–' : `${Math.round(1000 * camera.mask_age_s)} ms`,
      dropped: String(Object.values(camera.dropped).reduce((sum, count) => sum + count, 0)),
    };
    for (const [name, figure] of Object.entries(figures)) this.element.querySelector(`[data-figure="${name}"]`).textContent = figure;
    this.element.querySelector('.problem').textContent = camera.problems.join('; ');
    if (!camera.has_pictures) this.say('only recorded: it has no picture here');
    this.pictures?.choose(camera);
    this.watch();
  }

  // Pictures come only while somebody can see them.
  watch() {
    const wanted = this.visible && !document.hidden && !large.open && this.camera?.has_pictures;
    if (wanted && !this.pictures) {
      const way = this.element.querySelector('[data-figure="way"]');
      this.pictures = new Watch(
        this.camera,
        () => iceServers,
        this.canvas,
        (bitmap, objects) => this.show(bitmap, objects),
        (text) => this.say(text),
        (text, why) => {
          way.textContent = text;
          way.parentElement.title = why;
        },
      );
    } else if (!wanted && this.pictures) {
      this.pictures.close();
      this.pictures = null;
    }
  }

  show(bitmap, objects) {
    draw(this.canvas.getContext('2d'), bitmap, objects, shown, hidden);
    note(this.canvas, objects);
  }

  say(text) {
    this.notice.textContent = text;
    this.element.classList.toggle('old', text !== '');
  }
}

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const card = [...cards.values()].find((each) => each.element === entry.target);
    if (card) {
      card.visible = entry.isIntersecting;
      card.watch();
    }
  }
});

const view = {
  canvas: large.querySelector('canvas'),
  notice: large.querySelector('.notice'),

  open(name) {
    this.close();
    this.name = name;
    document.getElementById('large-name').textContent = name;
    for (const page of ['footage', 'zones']) document.getElementById(`to-${page}`).href = at(`${page}?${new URLSearchParams({ camera: name })}`);
    this.notice.textContent = '';
    if (!large.open) large.showModal();
    for (const card of cards.values()) card.watch();
    this.pictures = new Watch(
      cards.get(name).camera,
      () => iceServers,
      this.canvas,
      (bitmap, objects) => this.show(bitmap, objects),
      (text) => { this.notice.textContent = text; },
      (text, why) => { document.getElementById('way').textContent = why ? `${text} (${why})` : text; },
    );
    this.update();
  },

  close() {
    this.pictures?.close();
    this.pictures = null;
    this.last?.bitmap.close();
    this.last = null;
    this.frozen = false;
    document.getElementById('freeze').setAttribute('aria-pressed', 'false');
  },

  // A copy of the picture is kept: layers can be switched while it is frozen.
  async show(bitmap, objects) {
    if (this.frozen) return;
    for (const each of objects.instances) noteClass(each.class);
    draw(this.canvas.getContext('2d'), bitmap, objects, shown, hidden);
    note(this.canvas, objects);
    const kept = await createImageBitmap(this.canvas.width === bitmap.width ? bitmap : this.canvas).catch(() => null);
    if (kept) {
      this.last?.bitmap.close();
      this.last = { bitmap: kept, objects };
    }
  },

  redraw() {
    if (this.last) draw(this.canvas.getContext('2d'), this.last.bitmap, this.last.objects, shown, hidden);
  },

  update() {
    const camera = cards.get(this.name)?.camera;
    if (!camera) return;
    this.pictures?.choose(camera);
    const [kind, text] = stateOf(camera);
    const state = large.querySelector('.state');
    state.className = `state ${kind}`;
    state.textContent = text;
  },

  step(by) {
    const names = [...cards.keys()];
    this.open(names[(names.indexOf(this.name) + by + names.length) % names.length]);
  },
};

function stateOf(camera) {
  if (camera.state === 'running') return camera.problems.length ? ['warn', 'running, degraded'] : ['good', 'running'];
  return [camera.state === 'failed' ? 'bad' : 'warn', camera.state];
}

// For programs that look at the page: which picture is drawn.
function note(canvas, objects) {
  canvas.dataset.number = objects.number;
  canvas.dataset.stamp = objects.stamp ?? '';
  canvas.dataset.pictureStamp = objects.picture_stamp ?? '';
}

function noteClass(name) {
  if (seenClasses.has(name)) return;
  seenClasses.add(name);
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = name;
  button.setAttribute('aria-pressed', 'true');
  button.addEventListener('click', () => {
    if (hidden.has(name)) hidden.delete(name);
    else hidden.add(name);
    button.setAttribute('aria-pressed', String(!hidden.has(name)));
    view.redraw();
  });
  document.getElementById('classes').append(button);
}

for (const button of large.querySelectorAll('[data-layer]')) {
  button.addEventListener('click', () => {
    shown[button.dataset.layer] = !shown[button.dataset.layer];
    button.setAttribute('aria-pressed', String(shown[button.dataset.layer]));
    view.redraw();
  });
}

document.getElementById('freeze').addEventListener('click', (event) => {
  view.frozen = !view.frozen;
  event.currentTarget.setAttribute('aria-pressed', String(view.frozen));
});

document.getElementById('snapshot').addEventListener('click', () => {
  view.canvas.toBlob((blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${view.name}-${new Date().toISOString().replaceAll(':', '-')}.jpg`;
    link.click();
    URL.revokeObjectURL(link.href);
  }, 'image/jpeg', 0.92);
});

document.getElementById('full').addEventListener('click', () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else large.requestFullscreen();
});

document.getElementById('close').addEventListener('click', () => large.close());
large.addEventListener('close', () => {
  view.close();
  for (const card of cards.values()) card.watch();
});
large.addEventListener('keydown', (event) => {
  const keys = { f: 'full', ' ': 'freeze' };
  if (event.key === 'ArrowRight') view.step(1);
  else if (event.key === 'ArrowLeft') view.step(-1);
  else if (keys[event.key] && event.target.tagName !== 'BUTTON') document.getElementById(keys[event.key]).click();
});
document.addEventListener('visibilitychange', () => {
  for (const card of cards.values()) card.watch();
});

document.getElementById('sign-out').addEventListener('click', async () => {
  await fetch(at('logout'), { method: 'POST' });
  location.replace(at('login'));
});

async function look() {
  const problem = document.getElementById('problem');
  try {
    const answer = await fetch(at('api/cameras'));
    if (answer.status === 401) location.replace(at('login'));
    const { cameras, ice_servers: helpers, signed_in: signedIn } = await answer.json();
    iceServers = helpers;
    problem.textContent = '';
    document.getElementById('sign-out').hidden = !signedIn;
    const well = cameras.filter((camera) => !camera.problems.length).length;
    document.getElementById('total').textContent = `${well} of ${cameras.length} cameras run well`;
    for (const camera of cameras) {
      if (!cards.has(camera.name)) cards.set(camera.name, new Card(camera.name));
      cards.get(camera.name).update(camera);
    }
    view.update();
  } catch {
    problem.textContent = 'The server does not answer; trying again.';
  }
  setTimeout(look, LOOK_MS);
}

look();
