// Times as people read them: in the browser's own time zone, and in UTC where both are wanted.

const SECONDS = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };

export function localTime(utc, today = new Date()) {
  const moment = new Date(1000 * utc);
  if (moment.toDateString() === today.toDateString()) return moment.toLocaleTimeString([], SECONDS);
  return moment.toLocaleString([], { day: 'numeric', month: 'short', year: 'numeric', ...SECONDS });
}

export function fullTime(utc) {
  return new Date(1000 * utc).toLocaleString([], { dateStyle: 'full', timeStyle: 'long' });
}

export function length(seconds) {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${rest} s`;
}

// What a field for date and time holds, in the browser's time zone, from a moment and back.
export function fieldOf(text) {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return '';
  return new Date(moment.getTime() - 60_000 * moment.getTimezoneOffset()).toISOString().slice(0, 16);
}

export function momentOf(field) {
  const moment = new Date(field);
  return Number.isNaN(moment.getTime()) ? '' : moment.toISOString().replace(':00.000Z', 'Z');
}

export function sizeOf(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function clockTime(utc, seconds = true) {
  return new Date(1000 * utc).toLocaleTimeString([], seconds ? SECONDS : { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
}

// The day of a moment in the browser's time zone, and when it begins and ends: not all have 24 hours.
export function dayOf(utc) {
  const moment = new Date(1000 * utc);
  return [moment.getFullYear(), moment.getMonth() + 1, moment.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
}

export function midnights(day) {
  const [year, month, date] = day.split('-').map(Number);
  return [0, 1].map((more) => new Date(year, month - 1, date + more).getTime() / 1000);
}
