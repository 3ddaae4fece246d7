// One camera on the page, by the best way that there is: its own video, else JPEG pictures.

import { Pictures } from './pictures.js';
import { canPlay, Video } from './video.js';

const failed = new Map(); // by camera and codec, why its video was given up

export class Watch {
  // `onWay(text, why)` is told how the pictures come, and why not as video.
  // A video lies under `canvas`, on which its pictures are drawn.
  constructor(camera, canvas, onPicture, onNotice, onWay) {
    this.canvas = canvas;
    this.onPicture = onPicture;
    this.onNotice = onNotice;
    this.onWay = onWay;
    this.choose(camera);
  }

  // To be called whenever more is known of the camera: the way may change.
  choose(camera) {
    const key = `${camera.name} ${camera.video}`;
    const why = camera.video ? (failed.get(key) ?? canPlay(camera.video)) : camera.why_not;
    const way = why ? 'JPEG' : camera.video;
    if (this.way === way && this.why === why) return;
    const changed = this.way !== way;
    this.way = way;
    this.why = why;
    this.onWay(why ? 'JPEG' : 'video', why);
    if (!changed) return;
    this.source?.close();
    this.source = why
      ? new Pictures(camera.name, this.onPicture, this.onNotice)
      : new Video(camera.name, this.canvas, this.onPicture, this.onNotice, (reason) => {
        failed.set(key, reason);
        this.choose(camera);
      });
  }

  close() {
    this.source.close();
  }
}
