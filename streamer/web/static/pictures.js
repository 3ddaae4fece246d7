// The pictures of one camera: each with what is in it, so that both are always of the same moment.

import { socketAt } from './base.js';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;

export class Pictures {
  // `onPicture(bitmap, objects)` is called with each picture, `onNotice(text)` with why none comes ("" when one came).
  constructor(camera, onPicture, onNotice) {
    this.camera = camera;
    this.onPicture = onPicture;
    this.onNotice = onNotice;
    this.pauseMs = FIRST_PAUSE_MS;
    this.open();
  }

  open() {
    this.socket = new WebSocket(socketAt(`api/cameras/${encodeURIComponent(this.camera)}/pictures`));
    this.socket.binaryType = 'blob';
    let objects = null;
    this.socket.onmessage = async ({ data }) => {
      const socket = this.socket;
      if (typeof data === 'string') {
        objects = JSON.parse(data);
        if (objects.notice !== undefined) {
          this.onNotice(objects.notice);
          socket.send('next');
        }
        return;
      }
      this.pauseMs = FIRST_PAUSE_MS;
      try {
        const bitmap = await createImageBitmap(data);
        if (this.socket === socket) {
          this.onPicture(bitmap, { ...objects, stamp: objects.pts, picture_stamp: objects.pts });
          this.onNotice('');
        }
        bitmap.close();
      } catch {
        this.onNotice('a picture could not be read');
      }
      if (socket.readyState === WebSocket.OPEN) socket.send('next');
    };
    this.socket.onclose = () => {
      if (this.closed) return;
      this.onNotice('no connection to the server, trying again');
      this.timer = setTimeout(() => this.open(), this.pauseMs);
      this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS);
    };
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    // A connection that is closed while it is made makes browsers complain.
    if (this.socket.readyState === WebSocket.CONNECTING) this.socket.onopen = () => this.socket.close();
    else this.socket.close();
  }
}
