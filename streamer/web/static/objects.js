// What is in each picture of a video: pictures have a time in the video and a stamp, what is in them comes by the stamp.

const MOST_KNOWN = 500; // pictures of which the time, and what is in them, is remembered
const NEAR_S = 0.001;
const OLD_S = 0.5; // what was found longer ago is not drawn

export class Objects {
  // `stamps` names the member of what is told of a picture that is its stamp.
  constructor(stamps = 'camera_pts') {
    this.stamps = stamps;
    this.timeOf = new Map(); // seconds in the video by the stamp
    this.objectsOf = new Map(); // what is in a picture, by the same
    this.newest = -1; // time of the newest picture of which is known what is in it
  }

  // The picture with that stamp is at `time` of the video.
  place(stamp, time) {
    if (stamp === null || Number.isNaN(stamp)) return;
    remember(this.timeOf, stamp, time);
    this.match(stamp);
  }

  know(objects) {
    const stamp = objects[this.stamps];
    if (stamp === null) return;
    remember(this.objectsOf, stamp, objects);
    this.match(stamp);
  }

  match(stamp) {
    if (this.objectsOf.has(stamp) && this.timeOf.has(stamp)) this.newest = Math.max(this.newest, this.timeOf.get(stamp));
  }

  stampAt(time) {
    const [stamp] = [...this.timeOf].find(([, known]) => Math.abs(known - time) < NEAR_S) ?? [null];
    return stamp;
  }

  // What is in the picture at that time, or in the one before it that was looked at last; of nothing that is known, nothing.
  at(time, width, height) {
    let best = { number: '', width, height, instances: [] };
    let bestTime = time - OLD_S;
    for (const [stamp, objects] of this.objectsOf) {
      const known = this.timeOf.get(stamp);
      if (known > bestTime && known < time + NEAR_S) {
        best = objects;
        bestTime = known;
      }
    }
    return { ...best, picture_stamp: this.stampAt(time), stamp: best[this.stamps] };
  }
}

function remember(map, key, value) {
  map.set(key, value);
  if (map.size > MOST_KNOWN) map.delete(map.keys().next().value);
}
