// Who is signed in: shows the button that signs out, and goes to the page that signs in where that is needed.

import { at } from './base.js';

export async function session() {
  const answer = await fetch(at('api/session'));
  if (answer.status === 401) location.replace(at('login'));
  const known = await answer.json();
  const button = document.getElementById('sign-out');
  button.hidden = !known.signed_in;
  button.addEventListener('click', async () => {
    await fetch(at('logout'), { method: 'POST' });
    location.replace(at('login'));
  });
  return known;
}
