// Draws what was found over a picture, as streamer draws it into its own.

export const LAYERS = ['masks', 'outlines', 'boxes', 'labels'];
export const ZONES = 'zones'; // a layer of what is watched live

const FILL = 0.45;

// `context` has the size of `bitmap`; `shown` says which layers, `hidden` (a Set) which classes are left out.
export function draw(context, bitmap, objects, shown, hidden) {
  const { canvas } = context;
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 1;
  context.drawImage(bitmap, 0, 0);
  if (objects) drawObjects(context, objects, shown, hidden);
}

// The same onto what `context` shows already.
export function drawObjects(context, objects, shown, hidden) {
  const { width, height } = context.canvas;
  const scaleX = width / objects.width;
  const scaleY = height / objects.height;
  const line = Math.max(1.5, 0.0026 * Math.sqrt((width * height * 9) / 16));
  const visible = objects.instances.filter((each) => !hidden.has(each.class)).sort((a, b) => a.score - b.score);
  context.lineJoin = 'round';
  const places = (shown[ZONES] && objects.places) || [];
  for (const place of places) drawPlace(context, place, line);
  for (const each of visible) {
    const path = outline(each, scaleX, scaleY);
    context.fillStyle = context.strokeStyle = each.color;
    context.lineWidth = line;
    if (path && shown.masks) {
      context.globalAlpha = FILL * each.opacity;
      context.fill(path, 'evenodd');
    }
    context.globalAlpha = each.opacity;
    if (path && shown.outlines) context.stroke(path);
    if (shown.boxes || (!path && (shown.masks || shown.outlines))) {
      const [left, top, right, bottom] = each.box;
      context.strokeRect(left * scaleX, top * scaleY, (right - left) * scaleX, (bottom - top) * scaleY);
    }
  }
  const taken = places.map((place) => tell(context, place));
  if (shown.labels) labels(context, visible, scaleX, scaleY, taken);
  context.globalAlpha = 1;
}

// A zone or a line: with a dark seam, so that it stands out on any ground.
function drawPlace(context, place, width) {
  const { canvas } = context;
  const points = place.points.map(([x, y]) => [x * canvas.width, y * canvas.height]);
  const path = new Path2D();
  for (const [x, y] of points) path.lineTo(x, y);
  if (place.kind === 'zone') path.closePath();
  else arrow(path, points, 10 * width);
  context.globalAlpha = 1;
  for (const [color, extra] of [['#000', 2], [place.color, 0]]) {
    context.strokeStyle = color;
    context.lineWidth = width + extra;
    context.stroke(path);
  }
}

// From the middle of a line to the side that is "in": the right one, looking along it.
export function arrow(path, [[x0, y0], [x1, y1]], length) {
  const far = Math.hypot(x1 - x0, y1 - y0) || 1;
  const [alongX, alongY] = [(x1 - x0) / far, (y1 - y0) / far];
  const [intoX, intoY] = [-alongY, alongX];
  const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
  const [tipX, tipY] = [x + length * intoX, y + length * intoY];
  path.moveTo(x, y);
  path.lineTo(tipX, tipY);
  for (const side of [-0.8, 0.8]) {
    path.moveTo(tipX, tipY);
    path.lineTo(tipX - 0.45 * length * (intoX + side * alongX), tipY - 0.45 * length * (intoY + side * alongY));
  }
}

// The name of a zone or a line and what it counts. Returns where it is written now.
function tell(context, place) {
  const { width, height } = context.canvas;
  const size = textSize(context);
  const corners = place.points.map(([x, y]) => [x * width, y * height]);
  const [x, y] = place.kind === 'zone'
    ? corners.reduce((best, corner) => (corner[1] < best[1] || (corner[1] === best[1] && corner[0] < best[0]) ? corner : best))
    : [(corners[0][0] + corners[1][0]) / 2, (corners[0][1] + corners[1][1]) / 2];
  const text = place.kind === 'zone' ? `${place.name} ${place.inside}` : `${place.name} in ${place.in} · out ${place.out}`;
  const w = context.measureText(text).width + 0.7 * size;
  const h = 1.4 * size;
  const at = { x: Math.max(0, Math.min(x, width - w)), y: Math.max(0, Math.min(y - h, height - h)), w, h };
  context.globalAlpha = 1;
  tag(context, text, at, place.color, size);
  return at;
}

function textSize(context) {
  const { width, height } = context.canvas;
  const size = Math.max(10, 4 + 0.0195 * Math.sqrt((width * height * 9) / 16));
  context.font = `550 ${size}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  return size;
}

function tag(context, text, { x, y, w, h }, color, size) {
  context.fillStyle = color;
  context.beginPath();
  context.roundRect(x, y, w, h, 0.3 * size);
  context.fill();
  context.fillStyle = isLight(color) ? '#000' : '#fff';
  context.fillText(text, x + 0.35 * size, y + h / 2);
}

function outline(each, scaleX, scaleY) {
  if (!each.polygons.length) return null;
  const path = new Path2D();
  for (const ring of each.polygons) {
    for (let i = 0; i < ring.length; i += 2) {
      const x = (ring[i] + 0.5) * scaleX;
      const y = (ring[i + 1] + 0.5) * scaleY;
      if (i) path.lineTo(x, y);
      else path.moveTo(x, y);
    }
    path.closePath();
  }
  return path;
}

function labels(context, visible, scaleX, scaleY, taken) {
  const { width, height } = context.canvas;
  const size = textSize(context);
  const order = [...visible].sort((a, b) => (a.track_id ?? Infinity) - (b.track_id ?? Infinity) || a.box[0] - b.box[0]);
  for (const each of order) {
    const name = each.track_id === null ? each.class : `${each.class} #${each.track_id}`;
    const [left, top, right, bottom] = each.box;
    for (const text of [`${name} ${each.score.toFixed(2)}`, name]) {
      const w = context.measureText(text).width + 0.7 * size;
      const h = 1.4 * size;
      const x = Math.max(0, Math.min(left * scaleX, width - w));
      const spots = [top * scaleY - h, top * scaleY, bottom * scaleY, bottom * scaleY - h].filter((y) => y >= 0 && y + h <= height);
      const y = spots.find((spot) => !taken.some((t) => x < t.x + t.w && t.x < x + w && spot < t.y + t.h && t.y < spot + h));
      if (y === undefined) continue;
      taken.push({ x, y, w, h });
      context.globalAlpha = each.opacity;
      tag(context, text, { x, y, w, h }, each.color, size);
      break;
    }
  }
}

function isLight(color) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 140;
}
