// Pictures of a camera with a number in their upper edge, and how long each takes to come back: ten bits in black and white,
// and six bits that check them, so that a label or a mask over the mark is never read as a number.

const BITS = 16;
const HEIGHT = 1 / 30;   // of the picture's height, see .picture video in style.css
const KEPT = 256;

function code(number) {
  const check = (number * 37 + 11) & 63;
  return (number << 6) | check;
}

export class Mark {
  constructor(stream, mirrored, tell) {
    this.video = document.createElement('video');
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.srcObject = stream;
    this.canvas = document.createElement('canvas');
    this.sent = new Map();
    this.number = 0;
    this.last = -1;
    this.trips = [];
    this.mirrored = mirrored;
    this.tell = tell;
    this.strip = new OffscreenCanvas(BITS * 8, 8);
    this.pixels = this.strip.getContext('2d', { willReadFrequently: true });
    this.stopped = false;
  }

  async track() {
    await this.video.play();
    this.canvas.width = this.video.videoWidth;
    this.canvas.height = this.video.videoHeight;
    this.context = this.canvas.getContext('2d', { alpha: false });
    this.video.requestVideoFrameCallback(() => this.draw());
    this.stream = this.canvas.captureStream(30);
    return this.stream.getVideoTracks()[0];
  }

  draw() {
    if (this.stopped) return;
    const { canvas, context, video } = this;
    if (canvas.width !== video.videoWidth || canvas.height !== video.videoHeight) {  // a phone was turned
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
    }
    context.setTransform(this.mirrored() ? -1 : 1, 0, 0, 1, this.mirrored() ? canvas.width : 0, 0);
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    context.setTransform(1, 0, 0, 1, 0, 0);
    this.number = (this.number + 1) & 1023;
    const bits = code(this.number);
    const width = canvas.width / BITS;
    const height = Math.max(4, Math.round(canvas.height * HEIGHT));
    for (let bit = 0; bit < BITS; bit += 1) {
      context.fillStyle = (bits >> (BITS - 1 - bit)) & 1 ? '#fff' : '#000';
      context.fillRect(Math.floor(bit * width), 0, Math.ceil(width), height);
    }
    this.sent.set(this.number, performance.now());
    if (this.sent.size > KEPT) this.sent.delete(this.sent.keys().next().value);
    video.requestVideoFrameCallback(() => this.draw());
  }

  // Reads the number of the picture that a video shows just now.
  read(shown) {
    const { videoWidth: width, videoHeight: height } = shown;
    if (!width) return;
    this.pixels.drawImage(shown, 0, 0, width, height * HEIGHT, 0, 0, BITS * 8, 8);
    const { data } = this.pixels.getImageData(0, 4, BITS * 8, 1);
    let bits = 0;
    for (let bit = 0; bit < BITS; bit += 1) bits = (bits << 1) | (data[4 * (bit * 8 + 4)] > 127 ? 1 : 0);
    const number = bits >> 6;
    const at = this.sent.get(number);
    if (code(number) !== bits || at === undefined || number === this.last) return;
    this.last = number;
    this.trips = [...this.trips.slice(-30), performance.now() - at];
    this.tell([...this.trips].sort((a, b) => a - b)[this.trips.length >> 1]);
  }

  stop() {
    this.stopped = true;
    this.video.srcObject = null;
    if (this.stream) this.stream.getTracks().forEach((track) => track.stop());
  }
}
