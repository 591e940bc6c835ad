/* Filters the list of papers. Without scripts the whole list stands there, and the form stays hidden. */

// Not "q": Material opens its search for that one.
const FIELDS = ["text", "approach", "venue", "code"];

function wanted(form) {
  const data = new FormData(form);
  return Object.fromEntries(FIELDS.map((name) => [name, (data.get(name) ?? "").trim()]));
}

/* Oberg finds Öberg. */
function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

function fits(paper, { text, approach, venue, code }) {
  const words = plain(text).split(/\s+/).filter(Boolean);
  return (
    words.every((word) => plain(paper.dataset.text).includes(word)) &&
    (!approach || paper.dataset.approach.split(" ").includes(approach)) &&
    (!venue || paper.dataset.venue === venue) &&
    (!code || paper.dataset.code === code)
  );
}

function apply(form) {
  const filter = wanted(form);
  let shown = 0;
  for (const list of document.querySelectorAll("ul.papers")) {
    let inYear = 0;
    for (const paper of list.children) {
      paper.hidden = !fits(paper, filter);
      inYear += paper.hidden ? 0 : 1;
    }
    list.hidden = inYear === 0;
    list.previousElementSibling.hidden = inYear === 0;
    shown += inYear;
  }
  const count = form.querySelector("output");
  count.value = shown === Number(count.dataset.total) ? `${shown} papers` : `${shown} of ${count.dataset.total} papers`;
  document.querySelector(".filter__none").hidden = shown > 0;
  return filter;
}

function remember(filter) {
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value)).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

function start(form) {
  for (const [name, value] of new URLSearchParams(location.search)) {
    const field = form.elements.namedItem(name);
    if (field?.type === "checkbox") field.checked = field.value === value;
    else if (field) field.value = value;
  }
  form.hidden = false;
  apply(form);
  form.addEventListener("input", () => remember(apply(form)));
  form.addEventListener("reset", () => setTimeout(() => remember(apply(form))));
  form.addEventListener("submit", (event) => event.preventDefault());
}

const form = document.querySelector("form[data-filter=papers]");
if (form) start(form);
