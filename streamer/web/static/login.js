// Signs in with the token that is typed, or that the address brings behind its "#", which is never sent to a server.

import { at } from './base.js';

const form = document.getElementById('form');
const problem = document.getElementById('problem');

async function signIn(token) {
  problem.textContent = '';
  let answer;
  try {
    answer = await fetch(at('login'), { method: 'POST', body: new URLSearchParams({ token }) });
  } catch {
    problem.textContent = 'The server does not answer.';
    return;
  }
  if (answer.ok) {
    location.replace(at(''));
  } else {
    problem.textContent = (await answer.text()).trim();
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  signIn(new FormData(form).get('token'));
});

const brought = new URLSearchParams(location.hash.slice(1)).get('token');
if (brought) {
  history.replaceState(null, '', at('login'));
  signIn(brought);
}
