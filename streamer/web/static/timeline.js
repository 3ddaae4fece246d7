// A bar of time: what was recorded, what happened, and where one is. A slider for mouse, finger and keyboard.

import { clockTime } from './moments.js';

const STEPS = { ArrowLeft: -10, ArrowRight: 10, ArrowDown: -10, ArrowUp: 10, PageDown: -3600, PageUp: 3600 };
const LEAST = 0.0015; // of the bar: narrower things could not be seen

export class Timeline {
  // `onSeek(seconds since 1970)` is told where to go.
  constructor(element, onSeek) {
    this.element = element;
    this.onSeek = onSeek;
    this.hand = part('hand');
    this.ticks = part('ticks');
    this.parts = part('parts');
    element.append(this.parts, this.ticks, this.hand);
    element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      this.dragged = true;
      this.seekTo(event);
    });
    element.addEventListener('pointermove', (event) => { if (this.dragged) this.seekTo(event); });
    for (const name of ['pointerup', 'pointercancel']) element.addEventListener(name, () => { this.dragged = false; });
    element.addEventListener('keydown', (event) => this.key(event));
  }

  // From and to, seconds since 1970; `recorded` and `happened` have `from` and `to`, too. `every`: seconds between two ticks.
  show(from, to, recorded, happened, every) {
    Object.assign(this, { from, to, recorded, happened });
    const spans = [['recorded', recorded], ['happened', happened]].flatMap(([kind, each]) => each.filter((span) => span.to > from && span.from < to).map((span) => {
      const [left, right] = [Math.max(from, span.from), Math.min(to, span.to)].map((at) => this.share(at));
      const element = part(kind);
      element.style.left = `${100 * left}%`;
      element.style.width = `${100 * Math.max(LEAST, right - left)}%`;
      return element;
    }));
    this.parts.replaceChildren(...spans);
    const ticks = [];
    for (let at = Math.ceil(from / every) * every; at < to; at += every) {
      const element = part('tick');
      element.style.left = `${100 * this.share(at)}%`;
      element.textContent = clockTime(at, false);
      ticks.push(element);
    }
    this.ticks.replaceChildren(...ticks);
    this.element.setAttribute('aria-valuemin', String(Math.round(from)));
    this.element.setAttribute('aria-valuemax', String(Math.round(to)));
  }

  at(moment) {
    this.moment = moment;
    this.hand.hidden = moment < this.from || moment > this.to;
    this.hand.style.left = `${100 * this.share(moment)}%`;
    this.element.setAttribute('aria-valuenow', String(Math.round(moment)));
    const known = this.recorded.some((span) => span.from <= moment && moment < span.to);
    this.element.setAttribute('aria-valuetext', `${clockTime(moment)}${known ? '' : ', nothing recorded'}`);
  }

  share(moment) {
    return (moment - this.from) / (this.to - this.from);
  }

  seekTo(event) {
    const box = this.element.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    this.onSeek(this.from + share * (this.to - this.from));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const ends = { Home: this.from, End: this.to };
    if (STEPS[event.key]) this.onSeek(this.moment + STEPS[event.key] * (event.shiftKey ? 6 : 1));
    else if (event.key in ends) this.onSeek(ends[event.key]);
    else return;
    event.preventDefault();
  }
}

function part(name) {
  const element = document.createElement('span');
  element.className = name;
  return element;
}
