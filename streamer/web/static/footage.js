// What was recorded of a camera on a day: played from file to file, on a time line with its events.

import { at } from './base.js';
import { clockTime, dayOf, fullTime, length, midnights, sizeOf } from './moments.js';
import { session } from './session.js';
import { Timeline } from './timeline.js';

const LOOK_MS = 10_000;
const HOUR_S = 3600;
const JOINED_S = 2;       // files that are no further apart follow each other without a word
const MOST_PAGES = 5;     // of 200 events
const element = (id) => document.getElementById(id);
const video = element('video');
const bars = [new Timeline(element('day'), (moment) => seek(moment)), new Timeline(element('hour'), (moment) => seek(moment))];

let camera = '';
let day = '';
let from = 0;
let to = 0;
let segments = [];
let events = [];
let playing = null;   // the segment that is in the player
let wanted = null;    // where in it to begin, seconds, until the player has got there
let moment = 0;       // where one is, seconds since 1970
let asked = 0;

const address = (more = '') => at(`api/cameras/${encodeURIComponent(camera)}/footage${more}`);

async function json(path) {
  const answer = await fetch(path);
  if (answer.status === 401) location.replace(at('login'));
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

// Recorded time in one piece wherever files follow each other.
function pieces() {
  const joined = [];
  for (const { from: begin, to: end } of segments) {
    const last = joined.at(-1);
    if (last && begin - last.to <= JOINED_S) last.to = Math.max(last.to, end);
    else joined.push({ from: begin, to: end });
  }
  return joined;
}

function show() {
  const recorded = pieces();
  const happened = events.map((event) => ({ from: event.start_utc, to: event.end_utc ?? event.seen_utc ?? event.start_utc }));
  bars[0].show(from, to, recorded, happened, innerWidth < 600 ? 6 * HOUR_S : 3 * HOUR_S);
  const begin = Math.max(from, Math.min(moment - HOUR_S / 2, to - HOUR_S));
  bars[1].show(begin, begin + HOUR_S, recorded, happened, HOUR_S / 6);
  point();
}

// Where one is now, everywhere on the page.
function point() {
  if (moment < bars[1].from || moment > bars[1].to) {
    const begin = Math.max(from, Math.min(moment - HOUR_S / 2, to - HOUR_S));
    bars[1].show(begin, begin + HOUR_S, bars[1].recorded, bars[1].happened, HOUR_S / 6);
  }
  for (const bar of bars) bar.at(moment);
  element('now').textContent = fullTime(moment);
  element('now').dateTime = new Date(1000 * moment).toISOString();
  element('now-utc').textContent = `${new Date(1000 * moment).toISOString().slice(0, 19)}Z`;
}

// The address names the moment, so that it can be sent to others.
function name() {
  const said = new URLSearchParams({ camera, at: new Date(1000 * moment).toISOString().replace(/\.\d+Z/, 'Z') });
  history.replaceState(null, '', `?${said}`);
  element('link').value = location.href;
}

function segmentAt(time) {
  return segments.findLast((each) => each.from <= time && time < each.to);
}

async function seek(time) {
  if (time < from || time >= to) {
    await open(camera, time);
    return;
  }
  moment = time;
  const here = segmentAt(time);
  const next = here ?? segments.find((each) => each.from > time);
  if (!next) {
    stop(segments.length ? 'Nothing was recorded from here on.' : '');
  } else {
    if (!here) {
      notice(`Nothing was recorded here; it goes on at ${clockTime(next.from)}.`);
      moment = next.from;
    } else notice('');
    load(next, moment - next.from);
  }
  point();
  name();
}

function load(segment, seconds) {
  wanted = seconds;
  if (playing?.name !== segment.name) {
    playing = segment;
    video.src = address(`/${encodeURIComponent(segment.name)}`);
    const save = element('save');
    save.hidden = false;
    save.href = `${video.src}?download=1`;
  } else if (video.readyState) place();
  element('save').textContent = `Download ${clockTime(segment.from)} to ${clockTime(segment.to)} (${sizeOf(segment.bytes)})`;
}

// Put the player where it was sent; a file that still grows may end before.
function place() {
  if (wanted === null) return;
  const end = Number.isFinite(video.duration) ? Math.max(0, video.duration - 0.05) : wanted;
  video.currentTime = Math.min(wanted, end);
  wanted = null;
}

function notice(text) {
  element('notice').textContent = text;
}

function stop(text) {
  playing = null;
  video.removeAttribute('src');
  video.load();
  element('save').hidden = true;
  notice(text);
}

video.addEventListener('loadedmetadata', place);
video.addEventListener('timeupdate', () => {
  if (!playing || wanted !== null || bars.some((bar) => bar.dragged)) return;
  moment = Math.min(playing.from + video.currentTime, to);
  point();
});
video.addEventListener('pause', name);
video.addEventListener('ended', async () => {
  if (!playing) return;
  const next = segments.find((each) => each.from > playing.from);
  if (!next) {
    notice('This is the end of what was recorded.');
    return;
  }
  if (next.from - playing.to > JOINED_S) notice(`Nothing was recorded for ${length(next.from - playing.to)}: left out.`);
  else notice('');
  load(next, 0);
  await video.play().catch(() => {});
});
video.addEventListener('error', () => {
  if (!video.getAttribute('src') || !playing) return;
  notice(video.error?.code === MediaError.MEDIA_ERR_NETWORK
    ? 'The server does not answer, or the file has been removed.'
    : 'This browser does not play this recording (H.265, perhaps): download it for another player.');
});

function list() {
  element('no-events').textContent = events.length ? '' : 'No events on this day.';
  element('events').replaceChildren(...events.toReversed().map((event) => {
    const item = document.createElement('li');
    const go = document.createElement('button');
    go.type = 'button';
    go.textContent = clockTime(event.start_utc);
    go.addEventListener('click', () => seek(event.start_utc));
    const link = document.createElement('a');
    link.href = at(`events/${event.id}`);
    link.textContent = [event.classes.map((each) => each.name).join(', '), ...event.zones].join(' · ');
    item.append(go, link);
    return item;
  }));
  for (const id of ['previous-event', 'next-event']) element(id).disabled = !events.length;
}

async function happenings() {
  const found = [];
  const iso = (utc) => new Date(1000 * utc).toISOString();
  let before = '';
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const said = new URLSearchParams({ camera, since: iso(from), until: iso(to), limit: 200, ...(before && { before }) });
    const { events: some, more } = await json(at(`api/events?${said}`));
    found.push(...some);
    if (!more || !some.length) break;
    before = some.at(-1).id;
  }
  return found.reverse();
}

async function refresh() {
  const question = asked;
  try {
    const [footage, happened] = await Promise.all([json(address(`?from=${from}&to=${to}`)), happenings()]);
    if (question !== asked) return false;
    segments = footage.segments;
    if (playing) playing = segments.find((each) => each.name === playing.name) ?? playing;
    const changed = JSON.stringify(events.map(({ id, end_utc: end }) => [id, end])) !== JSON.stringify(happened.map(({ id, end_utc: end }) => [id, end]));
    events = happened;
    if (changed || !events.length) list();
    element('problem').textContent = segments.length ? '' : footage.why_not || 'Nothing was recorded on this day.';
    show();
    return true;
  } catch (error) {
    if (question === asked) element('problem').textContent = error instanceof TypeError ? 'The server does not answer; trying again.' : error.message;
    return false;
  }
}

// A camera and a moment, or the end of what there is of a day.
async function open(name_, time) {
  asked += 1;
  camera = name_;
  day = dayOf(time ?? Date.now() / 1000);
  [from, to] = midnights(day);
  element('date').value = day;
  element('date').max = dayOf(Date.now() / 1000);
  segments = [];
  events = [];
  moment = time ?? from;
  stop('');
  show();
  list();
  if (!(await refresh())) return;
  const last = segments.at(-1);
  await seek(time ?? (last ? Math.max(from, Math.min(last.to, to) - 30) : from));
}

async function begin() {
  const { cameras } = await json(at('api/cameras'));
  const field = element('camera');
  for (const each of cameras) field.add(new Option(each.name, each.name));
  if (!cameras.length) return;
  const said = new URLSearchParams(location.search);
  const time = Date.parse(said.get('at') ?? '') / 1000;
  field.value = cameras.some((each) => each.name === said.get('camera')) ? said.get('camera') : cameras[0].name;
  await open(field.value, Number.isNaN(time) ? undefined : time);
}

element('camera').addEventListener('change', (event) => open(event.target.value, moment));
element('date').addEventListener('change', (event) => {
  if (event.target.value) open(camera, midnights(event.target.value)[0]);
});
element('before').addEventListener('click', () => open(camera, midnights(dayOf(from - HOUR_S))[0]));
element('after').addEventListener('click', () => open(camera, to));
element('previous-event').addEventListener('click', () => {
  const event = events.findLast((each) => each.start_utc < moment - 1);
  if (event) seek(event.start_utc);
});
element('next-event').addEventListener('click', () => {
  const event = events.find((each) => each.start_utc > moment + 1);
  if (event) seek(event.start_utc);
});
for (const id of ['day', 'hour']) {
  element(id).addEventListener('keydown', (event) => {
    if (event.key !== ' ') return;
    event.preventDefault();
    if (video.paused) video.play().catch(() => {});
    else video.pause();
  });
}
element('link').addEventListener('focus', (event) => event.currentTarget.select());
addEventListener('resize', show);
setInterval(() => { if (!document.hidden && camera && Date.now() / 1000 < to + HOUR_S) refresh(); }, LOOK_MS);

session();
begin().catch((error) => { element('problem').textContent = error instanceof TypeError ? 'The server does not answer; load the page again.' : error.message; });
