// Zones and lines over a picture, to be drawn, moved and changed with mouse, finger and keyboard. Points are shares of its size.

import { arrow } from './drawing.js';

const SVG = 'http://www.w3.org/2000/svg';
const NEAR_PX = 14;     // so near to the first corner a click closes a zone
const STEP = 0.01;      // of an arrow key; a tenth of it with Shift
const MIDDLE = { zone: [[0.35, 0.35], [0.65, 0.35], [0.65, 0.65], [0.35, 0.65]], line: [[0.3, 0.5], [0.7, 0.5]] };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const limit = (value) => Math.min(1, Math.max(0, value));
const rounded = (point) => point.map((value) => Math.round(1e4 * limit(value)) / 1e4);

export class Shapes {
  // `on.change()` is called before anything is changed, `on.changed(done)` after it (done: false while it goes on), `on.select(index)`,
  // `on.drawn(kind, points)` with what was drawn, `on.hint(text)` with what can be done now.
  constructor(svg, on) {
    this.svg = svg;
    this.on = on;
    this.places = [];
    this.selected = -1;
    this.size = [16, 9];
    this.locked = true;
    svg.addEventListener('pointerdown', (event) => this.down(event));
    svg.addEventListener('pointermove', (event) => this.move(event));
    svg.addEventListener('pointerup', (event) => this.up(event));
    svg.addEventListener('pointercancel', () => this.cancel());
    svg.addEventListener('keydown', (event) => this.key(event));
    svg.addEventListener('focusin', (event) => this.focused(event));
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  // The picture under it has this size: it is shown as large as fits, with its shape.
  resize(width, height) {
    if (this.size[0] === width && this.size[1] === height) return;
    this.size = [width, height];
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.draw();
  }

  show(places, selected) {
    this.places = places;
    this.selected = selected;
    this.draw();
  }

  begin(kind) {
    this.drawing = { kind, points: [], at: null };
    this.svg.classList.add('drawing');
    this.hint();
    this.draw();
    this.svg.focus();
  }

  stop() {
    this.drawing = null;
    this.svg.classList.remove('drawing');
    this.hint();
    this.draw();
  }

  hint() {
    const { drawing } = this;
    if (!drawing) this.on.hint('');
    else if (!drawing.points.length) this.on.hint(`${drawing.kind === 'zone' ? 'Click its corners' : 'Click both ends'} in the picture, or press Enter for one in the middle. Esc gives up.`);
    else if (drawing.kind === 'line') this.on.hint('Click where the line ends. Esc gives up.');
    else if (drawing.points.length < 3) this.on.hint('Click the next corner. Backspace takes the last one back, Esc gives up.');
    else this.on.hint('Click the next corner, or the first one again (or press Enter) to close the zone. Backspace takes the last one back.');
  }

  // Picture pixels in one pixel of the screen.
  get unit() {
    const box = this.svg.getBoundingClientRect();
    return Math.max(this.size[0] / (box.width || 1), this.size[1] / (box.height || 1));
  }

  // Where a pointer is, as shares of the picture.
  point(event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return [at.x / this.size[0], at.y / this.size[1]];
  }

  down(event) {
    if (this.locked || event.button !== 0) return;
    const at = this.point(event);
    if (this.drawing) {
      this.add(at);
      return;
    }
    const { corner, middle, shape } = event.target.dataset;
    if (corner === undefined && middle === undefined && shape === undefined) {
      this.on.select(-1);
      return;
    }
    event.preventDefault();
    this.svg.setPointerCapture(event.pointerId);
    if (shape !== undefined && Number(shape) !== this.selected) this.on.select(Number(shape));
    const place = this.places[this.selected];
    this.drag = { corner: corner === undefined ? -1 : Number(corner), from: at, points: place.points, moved: false, middle };
    this.svg.querySelector(corner === undefined ? `.shape[data-shape="${this.selected}"]` : `[data-corner="${corner}"]`)?.focus({ preventScroll: true });
  }

  move(event) {
    if (this.drawing) {
      this.drawing.at = this.point(event);
      this.draw();
    }
    const { drag } = this;
    if (!drag) return;
    const at = this.point(event);
    const far = Math.hypot((at[0] - drag.from[0]) * this.size[0], (at[1] - drag.from[1]) * this.size[1]);
    if (!drag.moved && far < 3 * this.unit) return;
    if (!drag.moved) {
      drag.moved = true;
      this.on.change();
      if (drag.middle !== undefined) {
        drag.corner = Number(drag.middle) + 1;
        drag.points = drag.points.toSpliced(drag.corner, 0, drag.from);
      }
    }
    const by = [at[0] - drag.from[0], at[1] - drag.from[1]];
    this.places[this.selected].points = moved(drag.points, drag.corner, by);
    this.draw();
    this.on.changed(false);
  }

  up() {
    const { drag } = this;
    this.drag = null;
    if (drag?.moved) this.on.changed(true);
  }

  cancel() {
    if (this.drag?.moved) this.places[this.selected].points = this.drag.points;
    this.drag = null;
    this.draw();
  }

  add(at) {
    const { drawing } = this;
    const near = (point) => Math.hypot((at[0] - point[0]) * this.size[0], (at[1] - point[1]) * this.size[1]) < NEAR_PX * this.unit;
    if (drawing.kind === 'zone' && drawing.points.length >= 3 && near(drawing.points[0])) {
      this.finish();
      return;
    }
    const last = drawing.points.at(-1);
    if (last && near(last)) { // a double click
      if (drawing.points.length >= 3) this.finish();
      return;
    }
    drawing.points.push(rounded(at));
    if (drawing.kind === 'line' && drawing.points.length === 2) this.finish();
    else {
      this.hint();
      this.draw();
    }
  }

  finish() {
    const { kind, points } = this.drawing;
    const least = kind === 'zone' ? 3 : 2;
    if (points.length && points.length < least) return;
    this.stop();
    this.on.drawn(kind, points.length ? points : MIDDLE[kind]);
  }

  key(event) {
    if (this.locked || event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.drawing) {
      if (event.key === 'Enter') this.finish();
      else if (event.key === 'Escape') this.stop();
      else if (event.key === 'Backspace') {
        this.drawing.points.pop();
        this.hint();
        this.draw();
      } else return;
      event.preventDefault();
      return;
    }
    const { corner, shape } = event.target.dataset;
    if (corner === undefined && shape === undefined) return;
    const place = this.places[corner === undefined ? Number(shape) : this.selected];
    if (ARROWS[event.key]) {
      const by = ARROWS[event.key].map((way) => way * (event.shiftKey ? STEP / 10 : STEP));
      this.on.change();
      place.points = moved(place.points, corner === undefined ? -1 : Number(corner), by);
      this.draw();
      this.on.changed(true);
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      if (corner === undefined) this.on.remove(Number(shape));
      else if (place.kind === 'zone' && place.points.length > 3) {
        this.on.change();
        place.points = place.points.toSpliced(Number(corner), 1);
        this.draw();
        this.on.changed(true);
      }
    } else if (event.key === 'Enter' || event.key === ' ') this.on.select(Number(shape ?? this.selected));
    else return;
    event.preventDefault();
  }

  focused(event) {
    const { shape } = event.target.dataset;
    if (shape !== undefined && !this.locked && !this.drawing && Number(shape) !== this.selected) this.on.select(Number(shape));
  }

  draw() {
    const focus = this.svg.contains(document.activeElement) ? key(document.activeElement) : '';
    const unit = this.unit;
    const parts = this.places.flatMap((place, index) => this.shape(place, index, unit));
    const selected = this.places[this.selected];
    if (selected && !this.locked && !this.drawing) parts.push(...this.handles(selected, unit));
    if (this.drawing) parts.push(...this.sketch(this.drawing, unit));
    // A finger on the picture scrolls the page only while there is nothing to be dragged.
    this.svg.classList.toggle('held', Boolean(selected) && !this.locked);
    this.svg.replaceChildren(...parts);
    if (focus) [...this.svg.children].find((each) => key(each) === focus)?.focus({ preventScroll: true });
  }

  pixels(points) {
    return points.map(([x, y]) => [x * this.size[0], y * this.size[1]]);
  }

  shape(place, index, unit) {
    const points = this.pixels(place.points);
    const d = place.kind === 'zone' ? `M${points.join('L')}Z` : `M${points.join('L')}${arrowOf(points, 16 * unit)}`;
    const width = (index === this.selected ? 3 : 2) * unit;
    const common = { d, 'stroke-linejoin': 'round', 'stroke-linecap': 'round' };
    const shape = make('path', {
      ...common, class: index === this.selected ? 'shape selected' : 'shape', stroke: place.color, 'stroke-width': width,
      fill: place.kind === 'zone' ? place.color : 'none', 'fill-opacity': index === this.selected ? 0.3 : 0.15,
      'data-shape': index, ...(this.locked ? {} : { tabindex: 0, role: 'button', 'aria-label': `${place.kind} ${place.name}`, 'aria-pressed': index === this.selected }),
    });
    const seam = make('path', { ...common, stroke: '#000', 'stroke-width': width + 2 * unit, fill: 'none' });
    // What a finger can meet is wider than what is seen.
    const reach = make('path', { ...common, class: 'reach', stroke: 'transparent', 'stroke-width': 24 * unit, fill: 'none', 'data-shape': index });
    const name = make('text', { x: points[0][0] + 8 * unit, y: Math.max(points[0][1] - 8 * unit, 18 * unit), 'font-size': 15 * unit, 'stroke-width': 4 * unit });
    name.textContent = place.name;
    return [seam, reach, shape, name];
  }

  handles(place, unit) {
    const points = this.pixels(place.points);
    const corners = points.flatMap(([cx, cy], index) => {
      const [x, y] = place.points[index].map((value) => `${(100 * value).toFixed(1)} %`);
      const what = place.kind === 'zone' ? `corner ${index + 1}` : ['begin', 'end'][index];
      return [
        make('circle', { cx, cy, r: 7 * unit, class: 'corner', fill: place.color, 'stroke-width': 2 * unit }),
        make('circle', {
          cx, cy, r: 18 * unit, class: 'grip', fill: 'transparent', tabindex: 0, role: 'button', 'data-corner': index, 'stroke-width': 3 * unit,
          'aria-label': `${what} of ${place.name}, ${x} from the left, ${y} from the top`,
        }),
      ];
    });
    if (place.kind !== 'zone') return corners;
    const middles = points.flatMap(([x, y], index) => {
      const [nextX, nextY] = points[(index + 1) % points.length];
      if (Math.hypot(nextX - x, nextY - y) < 60 * unit) return [];
      const [cx, cy] = [(x + nextX) / 2, (y + nextY) / 2];
      return [
        make('circle', { cx, cy, r: 5 * unit, class: 'middle', 'stroke-width': 1.5 * unit }),
        make('circle', { cx, cy, r: 14 * unit, class: 'grip', fill: 'transparent', 'data-middle': index }),
      ];
    });
    return [...middles, ...corners];
  }

  sketch({ kind, points, at }, unit) {
    const shown = this.pixels(at ? [...points, at.map(limit)] : points);
    if (!shown.length) return [];
    const d = `M${shown.join('L')}${kind === 'zone' && shown.length > 2 ? 'Z' : ''}`;
    const [[x, y]] = shown;
    return [
      make('path', { d, stroke: '#000', 'stroke-width': 4 * unit, fill: 'none' }),
      make('path', { d, stroke: '#fff', 'stroke-width': 2 * unit, 'stroke-dasharray': `${6 * unit} ${4 * unit}`, fill: '#fff', 'fill-opacity': kind === 'zone' ? 0.15 : 0 }),
      ...(points.length ? [make('circle', { cx: x, cy: y, r: 7 * unit, class: 'corner', fill: '#fff', 'stroke-width': 2 * unit })] : []),
    ];
  }
}

// One corner, or all of them (-1), moved by shares, within the picture.
function moved(points, corner, [x, y]) {
  if (corner >= 0) return points.map((point, index) => (index === corner ? rounded([point[0] + x, point[1] + y]) : point));
  const room = (values, by) => Math.min(Math.max(by, -Math.min(...values)), 1 - Math.max(...values));
  const [byX, byY] = [room(points.map((point) => point[0]), x), room(points.map((point) => point[1]), y)];
  return points.map((point) => rounded([point[0] + byX, point[1] + byY]));
}

// The strokes of an arrow as a path of SVG.
function arrowOf(points, length) {
  let d = '';
  arrow({ moveTo: (x, y) => { d += `M${x},${y}`; }, lineTo: (x, y) => { d += `L${x},${y}`; } }, points, length);
  return d;
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function key(element) {
  const { corner, shape } = element.dataset;
  return element.classList.contains('reach') ? '' : corner !== undefined ? `corner ${corner}` : shape !== undefined ? `shape ${shape}` : '';
}
