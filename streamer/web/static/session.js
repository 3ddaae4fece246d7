// Who is signed in: shows the button that signs out, and goes to the page that signs in where that is needed.

export async function session() {
  const answer = await fetch('/api/session');
  if (answer.status === 401) location.replace('/login');
  const known = await answer.json();
  const button = document.getElementById('sign-out');
  button.hidden = !known.signed_in;
  button.addEventListener('click', async () => {
    await fetch('/logout', { method: 'POST' });
    location.replace('/login');
  });
  return known;
}
