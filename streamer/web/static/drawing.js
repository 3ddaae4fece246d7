// Draws what was found over a picture, as streamer draws it into its own.

export const LAYERS = ['masks', 'outlines', 'boxes', 'labels'];

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
  if (shown.labels) labels(context, visible, scaleX, scaleY);
  context.globalAlpha = 1;
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

function labels(context, visible, scaleX, scaleY) {
  const { width, height } = context.canvas;
  const size = Math.max(10, 4 + 0.0195 * Math.sqrt((width * height * 9) / 16));
  context.font = `550 ${size}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  const taken = [];
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
      context.fillStyle = each.color;
      context.beginPath();
      context.roundRect(x, y, w, h, 0.3 * size);
      context.fill();
      context.fillStyle = isLight(each.color) ? '#000' : '#fff';
      context.fillText(text, x + 0.35 * size, y + h / 2);
      break;
    }
  }
}

function isLight(color) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 140;
}
