// The events, newest first. What is asked for stands in the address, so that it can be sent to others.

import { at } from './base.js';
import { localTime, length, fieldOf, momentOf } from './moments.js';
import { session } from './session.js';

const LOOK_MS = 2000;
const TIMES = ['since', 'until'];
const KEYS = ['camera', 'class', 'zone', ...TIMES];
const list = document.getElementById('events');
const template = document.getElementById('event');
const filters = document.getElementById('filters');
const problem = document.getElementById('problem');
const empty = document.getElementById('empty');
const older = document.getElementById('older');
const cards = new Map();
let tag = '';
let asked = 0; // counts up with each change of the filters: answers to earlier questions are dropped

function wanted() {
  const said = new URLSearchParams(location.search);
  return new URLSearchParams(KEYS.filter((key) => said.get(key)).map((key) => [key, said.get(key)]));
}

class Card {
  constructor(event) {
    this.id = event.id;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.dataset.id = event.id;
    this.find('.event').href = at(`events/${event.id}`);
    this.image = this.find('img');
    this.image.addEventListener('error', () => this.picture(''));
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  update(event) {
    this.event = event;
    const classes = event.classes.map((each) => each.name).join(', ');
    this.find('.what').textContent = classes;
    this.find('.state').hidden = event.end_utc !== null;
    this.find('.where').textContent = [event.camera, ...event.zones].join(' · ');
    const when = this.find('.when');
    when.textContent = localTime(event.start_utc);
    when.dateTime = when.title = event.start_time;
    this.find('.length').textContent = event.end_utc === null ? '' : length(event.end_utc - event.start_utc);
    // A better picture may come while it goes on.
    this.picture(event.has_snapshot ? at(`api/events/${event.id}/thumbnail.jpg?of=${event.end_utc ?? event.seen_utc ?? ''}`) : '');
  }

  picture(source) {
    if (source && this.image.getAttribute('src') !== source) this.image.src = source;
    this.image.hidden = !source;
    this.find('.notice').textContent = source ? '' : 'no picture';
  }
}

function put(event) {
  let card = cards.get(event.id);
  if (!card) {
    card = new Card(event);
    cards.set(event.id, card);
    const before = [...list.children].find((each) => each.dataset.id < event.id);
    list.insertBefore(card.element, before ?? null);
  }
  card.update(event);
}

function say(problems) {
  problem.textContent = problems.join('; ');
  const filtered = wanted().size > 0;
  empty.textContent = list.children.length || problems.length ? '' : filtered ? 'No event is like that.' : 'Nothing has happened yet.';
}

async function ask(more, known = '') {
  const answer = await fetch(at(`api/events?${new URLSearchParams([...wanted(), ...Object.entries(more)])}`), {
    headers: known ? { 'If-None-Match': known } : {},
    cache: 'no-store',
  });
  if (answer.status === 401) location.replace(at('login'));
  if (answer.status === 304) return null;
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return { ...(await answer.json()), tag: answer.headers.get('ETag') };
}

// The newest ones again: those that are new, have changed, or are gone.
async function look() {
  const question = asked;
  try {
    const found = await ask({}, tag);
    if (question !== asked) return;
    if (found) {
      tag = found.tag;
      const last = found.more ? found.events.at(-1)?.id : '';
      const ids = new Set(found.events.map((event) => event.id));
      // So many since this page last looked that some between them and those below were not told: these come by Older again.
      const isGap = found.more && !found.events.some((event) => cards.has(event.id));
      if (isGap) for (const card of [...cards.values()]) remove(card);
      if (!found.problems.length) {
        for (const [id, card] of cards) if (id >= last && !ids.has(id)) remove(card);
      }
      if (!cards.size) older.hidden = !found.more;
      for (const event of found.events) put(event);
      if (!found.more) older.hidden = true;
      say(found.problems);
    }
  } catch (error) {
    if (question === asked) problem.textContent = error instanceof TypeError ? 'The server does not answer; trying again.' : error.message;
    tag = '';
  }
}

function remove(card) {
  card.element.remove();
  cards.delete(card.id);
}

async function restart() {
  asked += 1;
  tag = '';
  for (const card of [...cards.values()]) remove(card);
  older.hidden = true;
  await look();
}

older.addEventListener('click', async () => {
  const question = asked;
  older.disabled = true;
  try {
    const found = await ask({ before: list.lastElementChild.dataset.id });
    if (question !== asked) return;
    for (const event of found.events) put(event);
    older.hidden = !found.more;
    list.querySelector(`[data-id="${found.events[0]?.id}"] a`)?.focus();
  } catch {
    problem.textContent = 'The server does not answer; try again.';
  } finally {
    older.disabled = false;
  }
});

// The fields from the address.
function fill() {
  const said = wanted();
  for (const key of KEYS) {
    const field = filters.elements[key];
    const value = said.get(key) ?? '';
    if (TIMES.includes(key)) field.value = value && fieldOf(value);
    else {
      if (value && ![...field.options].some((option) => option.value === value)) field.add(new Option(value, value));
      field.value = value;
    }
  }
}

function change(said) {
  history.replaceState(null, '', said.size ? `?${said}` : location.pathname);
  restart();
}

filters.addEventListener('change', () => {
  const said = [...new FormData(filters)].map(([key, value]) => [key, TIMES.includes(key) && value ? momentOf(value) : value]);
  change(new URLSearchParams(said.filter(([, value]) => value)));
});
filters.addEventListener('submit', (event) => event.preventDefault());
filters.addEventListener('reset', (event) => {
  event.preventDefault();
  history.replaceState(null, '', location.pathname);
  fill();
  restart();
});
addEventListener('popstate', () => {
  fill();
  restart();
});

async function offer() {
  const answer = await fetch(at('api/events/names'));
  if (!answer.ok) return;
  const names = await answer.json();
  for (const [key, values] of [['camera', names.cameras], ['class', names.classes], ['zone', names.zones]]) {
    const field = filters.elements[key];
    for (const value of values) {
      if (![...field.options].some((option) => option.value === value)) field.add(new Option(value, value));
    }
  }
  if (!names.cameras.length) empty.textContent = 'No camera makes events: name a folder with events in the settings.';
}

async function go() {
  if (!document.hidden) await look();
  setTimeout(go, LOOK_MS);
}

fill();
session();
await look();
await offer();
setTimeout(go, LOOK_MS);
