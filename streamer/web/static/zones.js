// Zones and lines of a camera: drawn on its picture, changed beside it, used at once and saved in the settings.

import { at } from './base.js';
import { draw } from './drawing.js';
import { session } from './session.js';
import { Shapes } from './shapes.js';
import { Watch } from './watch.js';

const LOOK_MS = 1000;
const AWAY = 'The server does not answer; trying again.';
const LAYERS = { masks: true, outlines: true, labels: true };
const FIELDS = ['name', 'classes', 'count', 'coverage', 'enter_after', 'leave_after'];
const element = (id) => document.getElementById(id);
const canvas = document.querySelector('#picture canvas');
const shapes = new Shapes(element('drawing'), {
  change: () => remember(),
  changed: (done) => { if (done) show(); },
  select: (index) => select(index),
  remove: (index) => remove(index),
  drawn: (kind, points) => add(kind, points),
  hint: (text) => { element('hint').textContent = text; },
});

let camera = '';
let told = null;      // what the server says of the camera's zones
let places = [];      // zones, then lines, as they are on the page
let selected = -1;
let past = [];        // for undo
let watch = null;
let counts = {};
let iceServers = [];

function load(found) {
  told = found;
  places = [
    ...found.zones.map((zone) => ({ kind: 'zone', ...zone })),
    ...found.lines.map((line) => ({ kind: 'line', ...line })),
  ];
  past = [];
  selected = Math.min(selected, places.length - 1);
  element('known').replaceChildren(...found.classes.map((name) => new Option(name)));
  shapes.locked = !found.may_change || found.why_not !== '';
  show();
}

const state = () => JSON.stringify(places.map(({ color, ...place }) => place));
const isChanged = () => told !== null && state() !== JSON.stringify([
  ...told.zones.map((zone) => ({ kind: 'zone', ...zone })), ...told.lines.map((line) => ({ kind: 'line', ...line })),
]);

function remember() {
  past.push(JSON.stringify(places));
  if (past.length > 100) past.shift();
}

function undo() {
  if (!past.length) return;
  places = JSON.parse(past.pop());
  selected = Math.min(selected, places.length - 1);
  show();
}

function show() {
  places.sort((a, b) => (a.kind === b.kind ? 0 : a.kind === 'zone' ? -1 : 1));
  places.forEach((place, index) => { place.color = told.palette[index % told.palette.length]; });
  shapes.show(places, selected);
  list();
  form();
  const changed = isChanged();
  const may = told.may_change && !told.why_not;
  for (const id of ['new-zone', 'new-line']) element(id).disabled = !may;
  element('undo').disabled = !past.length;
  element('discard').disabled = !changed;
  element('use').disabled = !may || !changed;
  element('save').disabled = !may || told.why_not_saved !== '' || !(changed || told.unsaved);
  element('save').textContent = told.file ? `Save in ${told.file}` : 'Save';
  element('saving').hidden = !told.may_change;
  element('empty').textContent = told.why_not || (places.length ? '' : 'No zones yet: draw one in the picture.');
  const notes = [];
  if (!told.may_change) notes.push('You may look only: changing zones needs the other token.');
  else if (told.why_not_saved) notes.push(`These zones cannot be saved from here: ${told.why_not_saved}. Copy the YAML into your settings.`);
  if (told.shared_with.length) notes.push(`The zones are also those of ${told.shared_with.join(', ')}.`);
  if (changed) notes.push('There are changes that are not used yet.');
  else if (told.unsaved) notes.push('These zones are in use, but not saved.');
  element('told').textContent = notes.join(' ');
}

function list() {
  const box = element('list');
  while (box.children.length > places.length) box.lastElementChild.remove();
  places.forEach((place, index) => {
    if (!box.children[index]) {
      const item = document.createElement('li');
      const button = document.createElement('button');
      button.type = 'button';
      for (const part of ['chip', 'called', 'counted']) {
        const span = document.createElement('span');
        span.className = part;
        button.append(span);
      }
      button.addEventListener('click', () => select(index === selected ? -1 : index));
      item.append(button);
      box.append(item);
    }
    const button = box.children[index].firstElementChild;
    button.setAttribute('aria-pressed', String(index === selected));
    button.querySelector('.chip').style.backgroundColor = place.color;
    button.querySelector('.called').textContent = place.name;
  });
  count();
}

// What is counted, beside each name.
function count() {
  places.forEach((place, index) => {
    const found = counts[`${place.kind}s`]?.[place.name];
    element('list').children[index].querySelector('.counted').textContent = !found
      ? 'not in use yet'
      : place.kind === 'zone'
        ? `${found.inside} inside · ${found.entries} entered${found.mean_dwell_s === null ? '' : ` · stays ${found.mean_dwell_s.toFixed(1)} s`}`
        : `${found.in} in · ${found.out} out`;
  });
}

function form() {
  const place = places[selected];
  const box = element('form');
  box.hidden = !place;
  if (!place) return;
  element('form-title').textContent = place.kind === 'zone' ? 'Zone' : 'Line';
  for (const each of box.querySelectorAll('.zone-only')) each.hidden = place.kind !== 'zone';
  for (const each of box.querySelectorAll('.line-only')) each.hidden = place.kind !== 'line';
  element('count').querySelector('[value=coverage]').hidden = place.kind !== 'zone';
  element('coverage-field').hidden = place.count !== 'coverage';
  for (const field of box.querySelectorAll('input, select, button')) field.disabled = shapes.locked;
  const shown = {
    ...place,
    classes: place.classes ? place.classes.join(', ') : '',
    coverage: place.coverage === undefined ? '' : Math.round(1e4 * place.coverage) / 100,
  };
  for (const name of FIELDS) {
    const field = element(name);
    if (field !== document.activeElement || field.tagName === 'SELECT') field.value = shown[name] ?? '';
  }
}

function change(name) {
  const place = places[selected];
  const field = element(name);
  const value = {
    name: () => field.value.trim(),
    classes: () => {
      const names = field.value.split(',').map((each) => each.trim()).filter(Boolean);
      return names.length ? [...new Set(names)].sort() : null;
    },
    count: () => field.value,
    coverage: () => field.valueAsNumber / 100,
    enter_after: () => field.valueAsNumber,
    leave_after: () => field.valueAsNumber,
  }[name]();
  if (Number.isNaN(value) || value === '' || JSON.stringify(place[name]) === JSON.stringify(value)) {
    form();
    return;
  }
  remember();
  place[name] = value;
  show();
}

function select(index) {
  if (index === selected) return;
  // What is being typed belongs to the one that is left.
  if (element('form').contains(document.activeElement)) document.activeElement.blur();
  selected = index;
  show();
}

function add(kind, points) {
  remember();
  let number = 1;
  while (places.some((place) => place.name === `${kind} ${number}`)) number += 1;
  const place = { kind, name: `${kind} ${number}`, points, classes: null, count: 'foot' };
  if (kind === 'zone') Object.assign(place, { coverage: 0.5, enter_after: 0.4, leave_after: 1 });
  places.push(place);
  show();
  selected = places.indexOf(place);
  show();
  element('name').focus({ preventScroll: true });
  element('name').select();
}

function remove(index) {
  remember();
  places.splice(index, 1);
  selected = -1;
  show();
  element('new-zone').focus({ preventScroll: true });
}

// A corner in the middle of the longest side.
function addCorner() {
  const { points } = places[selected];
  const [width, height] = shapes.size;
  const far = points.map((point, index) => {
    const next = points[(index + 1) % points.length];
    return Math.hypot((next[0] - point[0]) * width, (next[1] - point[1]) * height);
  });
  const longest = far.indexOf(Math.max(...far));
  const next = points[(longest + 1) % points.length];
  remember();
  places[selected].points = points.toSpliced(longest + 1, 0, points[longest].map((value, axis) => Math.round(5e3 * (value + next[axis])) / 1e4));
  show();
  element('drawing').querySelector(`[data-corner="${longest + 1}"]`).focus({ preventScroll: true });
}

const path = (more = '') => at(`api/cameras/${encodeURIComponent(camera)}/zones${more}`);

function said() {
  const plain = (kind) => places.filter((place) => place.kind === kind).map(({ kind: _, color, ...place }) => place);
  return { version: told.version, zones: plain('zone'), lines: plain('line') };
}

async function asked(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error(AWAY);
  }
  if (answer.status === 401) location.replace(at('login'));
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer;
}

async function send(save) {
  element('problem').textContent = '';
  try {
    const answer = await asked(path(), { method: 'PUT', body: JSON.stringify({ ...said(), save }) });
    load(await answer.json());
    element('told').textContent = save ? `Saved in ${told.file}, and in use.` : `In use until the next start. ${element('told').textContent}`;
  } catch (error) {
    element('problem').textContent = error.message;
  }
}

async function yaml() {
  element('problem').textContent = '';
  try {
    const answer = await asked(path('/yaml'), { method: 'POST', body: JSON.stringify(said()) });
    element('yaml-text').value = await answer.text();
    element('yaml-title').textContent = told.within ? `YAML, to stand under ${told.within}` : 'YAML';
    element('yaml').hidden = false;
    element('yaml-text').focus();
    element('yaml-text').select();
  } catch (error) {
    element('problem').textContent = error.message;
  }
}

async function open(name) {
  camera = name;
  selected = -1;
  counts = {};
  element('yaml').hidden = true;
  element('problem').textContent = '';
  shapes.stop();
  watch?.close();
  watch = null;
  history.replaceState(null, '', `?${new URLSearchParams({ camera: name })}`);
  await ask();
}

async function ask() {
  const wanted = camera;
  try {
    const found = await (await asked(path())).json();
    if (wanted !== camera) return;
    element('problem').textContent = '';
    load(found);
  } catch (error) {
    if (wanted === camera) element('problem').textContent = error.message;
  }
}

function picture(bitmap, objects) {
  draw(canvas.getContext('2d'), bitmap, objects, LAYERS, new Set());
  canvas.dataset.number = objects.number;
  element('picture').style.aspectRatio = `${canvas.width} / ${canvas.height}`;
  shapes.resize(canvas.width, canvas.height);
}

async function look() {
  try {
    const { cameras, ice_servers: helpers } = await (await asked(at('api/cameras'))).json();
    iceServers = helpers;
    if (element('problem').textContent === AWAY) element('problem').textContent = '';
    const seen = cameras.filter((each) => each.has_pictures);
    const field = element('camera');
    for (const each of seen) if (![...field.options].some((option) => option.value === each.name)) field.add(new Option(each.name, each.name));
    if (!camera) {
      const wanted = new URLSearchParams(location.search).get('camera');
      const first = seen.find((each) => each.name === wanted) ?? seen[0];
      if (first) {
        field.value = first.name;
        await open(first.name);
      } else element('empty').textContent = 'No camera has a picture here.';
    }
    const current = seen.find((each) => each.name === camera);
    if (current) {
      counts = current.places;
      if (told) count();
      if (!watch && !document.hidden) {
        const notice = element('notice');
        watch = new Watch(current, () => iceServers, canvas, picture, (text) => { notice.textContent = text; }, () => {});
      } else watch?.choose(current);
      if (told?.camera !== camera || told.why_not) await ask();
    }
  } catch (error) {
    element('problem').textContent = error.message;
  }
  setTimeout(look, LOOK_MS);
}

function leave() {
  return !isChanged() || confirm('The changes of these zones are not used yet. Leave them?');
}

for (const name of FIELDS) element(name).addEventListener('change', () => change(name));
element('form').addEventListener('submit', (event) => event.preventDefault());
element('new-zone').addEventListener('click', () => { select(-1); shapes.begin('zone'); });
element('new-line').addEventListener('click', () => { select(-1); shapes.begin('line'); });
element('undo').addEventListener('click', undo);
element('corner').addEventListener('click', addCorner);
element('turn').addEventListener('click', () => {
  remember();
  places[selected].points = places[selected].points.toReversed();
  show();
});
element('delete').addEventListener('click', () => remove(selected));
element('save').addEventListener('click', () => send(true));
element('use').addEventListener('click', () => send(false));
element('discard').addEventListener('click', ask);
element('show').addEventListener('click', yaml);
element('copy').addEventListener('click', async () => {
  element('yaml-text').select();
  // Browsers give the clipboard only to https and to this machine.
  if (navigator.clipboard) await navigator.clipboard.writeText(element('yaml-text').value);
  else document.execCommand('copy');
  element('told').textContent = 'Copied.';
});
element('camera').addEventListener('change', (event) => {
  if (leave()) open(event.target.value);
  else event.target.value = camera;
});
addEventListener('keydown', (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === 'z' && !event.target.matches('input, textarea')) {
    event.preventDefault();
    undo();
  }
});
addEventListener('beforeunload', (event) => { if (isChanged()) event.preventDefault(); });
document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    watch?.close();
    watch = null;
  }
});

session();
look();
