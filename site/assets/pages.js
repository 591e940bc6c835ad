/* The other pages of a long list, loaded when all of its rows are first needed. Without scripts these pages are linked. */

const pager = document.querySelector("nav.pager");
let loaded;

/* The list's pages in order, this one among them; one alone where the list has no others. */
export function pages() {
  loaded ??= everyPage().catch((error) => {
    loaded = undefined; // the next try may succeed
    throw error;
  });
  return loaded;
}

function everyPage() {
  const first = new URL(pager.dataset.first, location.href);
  const numbers = Array.from({ length: Number(pager.dataset.pages) }, (_, index) => index + 1);
  const at = (number) => new URL(number > 1 ? `page/${number}/` : ".", first);
  return Promise.all(numbers.map((number) => (number === Number(pager.dataset.page) ? document : otherPage(at(number)))));
}

async function otherPage(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${answer.status} ${address}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  // Links are relative to the page they stand on, which these rows leave.
  for (const link of page.querySelectorAll("a[href]")) link.href = new URL(link.getAttribute("href"), answer.url);
  return page;
}

/* Puts the rows of all pages, in order, into this page's table. */
export async function everyRow(table) {
  const rows = (page) => page.querySelector(`table[data-rows=${table.dataset.rows}]`)?.tBodies[0].rows ?? [];
  table.tBodies[0].replaceChildren(...(await pages()).flatMap((page) => [...rows(page)]));
}

/* Puts the papers of all pages onto this one, under their years. */
export async function everyPaper() {
  const end = document.querySelector(".filter__none");
  let last;
  for (const list of (await pages()).flatMap((page) => [...page.querySelectorAll("ul.papers")])) {
    const heading = list.previousElementSibling;
    if (last && heading.id === last.previousElementSibling.id) {
      last.append(...list.children);
      heading.remove();
      list.remove();
    } else {
      end.before(heading, list);
      last = list;
    }
  }
}
