/* Tables whose rows can be filtered, and leaderboards of which two rows are compared. Without scripts the tables stand as they are. */

import { everyRow } from "./pages.js";

function filterRows(form) {
  const table = document.querySelector(`table[data-rows=${form.dataset.rows}]`);
  const own = new Set(table.tBodies[0].rows);
  const count = form.querySelector("output");
  const apply = async () => {
    const wanted = () => new FormData(form).get("verdict");
    if (wanted() && table.tBodies[0].rows.length < Number(count.dataset.total)) {
      try {
        await everyRow(table);
      } catch {
        count.value = "The other pages can't be loaded";
        return;
      }
    }
    let fit = 0;
    for (const row of table.tBodies[0].rows) {
      const fits = !wanted() || row.dataset.verdict === wanted();
      row.hidden = wanted() ? !fits : !own.has(row);
      fit += fits ? 1 : 0;
    }
    count.value = wanted() ? `${fit} of ${count.dataset.total} papers` : `${count.dataset.total} papers`;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
}

const NAMES = { input_size: "input size", test_time: "test-time tricks", extra: "extra annotation or data" };

function same(one, other) {
  return JSON.stringify([one].flat().sort()) === JSON.stringify([other].flat().sort());
}

/* What two rows' protocols allow to say of their values; the test set's size decides whether they can be told apart. */
export function compare(one, other, images) {
  const facts = [one, other].map((row) => JSON.parse(row.dataset.facts));
  const names = Object.keys(facts[0]);
  const spelled = (list) => list.map((name) => NAMES[name] ?? name).join(", ");
  const apart = names.filter((name) => facts.every((known) => known[name] !== null) && !same(facts[0][name], facts[1][name]));
  if (apart.length) return `not comparable: they differ in ${spelled(apart)}`;
  const unknown = names.filter((name) => facts.some((known) => known[name] === null));
  if (unknown.length) return `not comparable: not stated on both sides: ${spelled(unknown)}`;
  const values = [one, other].map((row) => Number(row.dataset.value) / 100);
  const ofImages = values.reduce((sum, share) => sum + (1e4 * share * (1 - share)) / images, 0);
  const error = Math.sqrt(ofImages + Number(one.dataset.seeds ?? 0) + Number(other.dataset.seeds ?? 0));
  const gap = 100 * Math.abs(values[0] - values[1]);
  const verdict = gap > 1.959964 * error ? "can be told apart" : "can't be told apart";
  return `equal protocols; ${gap.toFixed(1)} points apart ${verdict} on ${images.toLocaleString("en")} images (95%: ${(1.959964 * error).toFixed(1)})`;
}

function twoRows(form) {
  const table = document.querySelector("table.board");
  const chosen = [];
  const say = form.querySelector("output");
  const invitation = say.value;
  const show = () => {
    const [one, other] = chosen.map((box) => box.closest("tr"));
    say.value = other ? `${one.dataset.name} and ${other.dataset.name}: ${compare(one, other, Number(form.dataset.images))}.` : invitation;
  };
  const addBox = (row) => {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", className: "board__choose" });
    box.setAttribute("aria-label", `Compare ${row.dataset.name}`);
    box.addEventListener("change", () => {
      if (!box.checked) chosen.splice(chosen.indexOf(box), 1);
      else if (chosen.push(box) > 2) chosen.shift().checked = false;
      show();
    });
    row.cells[0].prepend(box);
  };
  for (const row of table.tBodies[0].rows) addBox(row);
  const all = form.querySelector("button[data-all]");
  all?.addEventListener("click", async () => {
    all.disabled = true;
    try {
      await everyRow(table);
    } catch {
      say.value = "The other pages can't be loaded.";
      all.disabled = false;
      return;
    }
    for (const row of table.tBodies[0].rows) if (!row.querySelector("input.board__choose")) addBox(row);
    for (const part of [all, ...document.querySelectorAll("[data-of-pages]")]) part.hidden = true;
  });
  form.hidden = false;
  form.addEventListener("reset", () => {
    for (const box of chosen.splice(0)) box.checked = false;
    setTimeout(show);
  });
}

for (const form of document.querySelectorAll("form[data-filter=rows]")) filterRows(form);
for (const form of document.querySelectorAll("form[data-two-rows]")) twoRows(form);
