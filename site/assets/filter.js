/* Filters the papers of all pages of their list. Without scripts this page's stand there, and the form stays hidden. */

import { everyPaper } from "./pages.js";

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

/* With nothing to filter by, this page shows its own papers. */
function apply(form, own) {
  const filter = wanted(form);
  const filtering = Object.values(filter).some(Boolean);
  let shown = 0;
  for (const list of document.querySelectorAll("ul.papers")) {
    let inYear = 0;
    for (const paper of list.children) {
      paper.hidden = filtering ? !fits(paper, filter) : !own.has(paper);
      inYear += paper.hidden ? 0 : 1;
    }
    list.hidden = inYear === 0;
    list.previousElementSibling.hidden = inYear === 0;
    shown += inYear;
  }
  const count = form.querySelector("output");
  const { total } = count.dataset;
  count.value = filtering && shown < Number(total) ? `${shown} of ${total} papers` : `${total} papers`;
  document.querySelector(".filter__none").hidden = shown > 0;
  for (const part of document.querySelectorAll("[data-of-pages]")) part.hidden = filtering;
}

/* Filters; where there are further pages, once they are there. */
async function update(form, own) {
  const count = form.querySelector("output");
  const missing = document.querySelectorAll("li.paper").length < Number(count.dataset.total);
  if (missing && Object.values(wanted(form)).some(Boolean)) {
    count.value = "Loading all papers …";
    try {
      await everyPaper();
    } catch {
      count.value = "The other pages can't be loaded";
      return;
    }
  }
  apply(form, own);
}

function remember(form) {
  const query = new URLSearchParams(Object.entries(wanted(form)).filter(([, value]) => value)).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

function start(form) {
  for (const [name, value] of new URLSearchParams(location.search)) {
    const field = form.elements.namedItem(name);
    if (field?.type === "checkbox") field.checked = field.value === value;
    else if (field) field.value = value;
  }
  form.hidden = false;
  const own = new Set(document.querySelectorAll("li.paper"));
  const act = () => {
    remember(form);
    update(form, own);
  };
  update(form, own);
  form.addEventListener("input", act);
  form.addEventListener("reset", () => setTimeout(act));
  form.addEventListener("submit", (event) => event.preventDefault());
}

const form = document.querySelector("form[data-filter=papers]");
if (form) start(form);
