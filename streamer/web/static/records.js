// What was found in the pictures of a clip, fetched a few seconds at a time, ahead of what is shown.

const CHUNK_S = 5;
const NEAR_S = 0.5;

export class Records {
  // `onChange(why)` is called when more is known; `why` says why there is nothing to draw, or is empty.
  constructor(at, part, onChange) {
    this.at = at;
    this.part = part;
    this.onChange = onChange;
    this.chunks = new Map();
    this.frames = [];
    this.stop = new AbortController();
  }

  close() {
    this.stop.abort();
  }

  // `seconds` of the clip are shown: what was found there and next is needed.
  want(seconds) {
    const chunk = Math.floor(seconds / CHUNK_S);
    this.fetch(chunk);
    this.fetch(chunk + 1);
  }

  async fetch(chunk) {
    if (this.chunks.has(chunk)) return;
    this.chunks.set(chunk, true);
    const from = chunk * CHUNK_S;
    try {
      const answer = await fetch(`${this.at}/records?part=${this.part}&from=${from}&to=${from + CHUNK_S}`, { signal: this.stop.signal });
      if (!answer.ok) throw new Error(answer.statusText);
      const { width, height, frames, why_not: whyNot } = await answer.json();
      // The same frame may be in two chunks.
      const known = new Set(this.frames.map((frame) => frame.at));
      for (const frame of frames) if (!known.has(frame.at)) this.frames.push({ ...frame, width, height });
      this.frames.sort((a, b) => a.at - b.at);
      this.onChange(this.frames.length ? '' : whyNot);
    } catch {
      if (!this.stop.signal.aborted) this.chunks.delete(chunk);
    }
  }

  // What was found in the picture nearest to `seconds`; null where nothing is known of it.
  near(seconds) {
    let low = 0;
    let high = this.frames.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.frames[middle].at < seconds) low = middle + 1;
      else high = middle;
    }
    const best = [this.frames[low - 1], this.frames[low]]
      .filter(Boolean)
      .sort((a, b) => Math.abs(a.at - seconds) - Math.abs(b.at - seconds))[0];
    return best && Math.abs(best.at - seconds) <= NEAR_S ? best : null;
  }
}
