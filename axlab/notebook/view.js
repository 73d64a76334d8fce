// The live view of a scene: its picture, its controls, and what the last command said.
// Parts of the picture that carry `data-send` are buttons, for the pointer and for the keyboard.

const PRESS = new Set(["Enter", " "]);

function showPicture(model, place) {
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.send : undefined;
  const parsed = new DOMParser().parseFromString(model.get("svg"), "image/svg+xml").documentElement;
  const picture = document.importNode(parsed, true);
  picture.setAttribute("role", "group");
  picture.setAttribute("aria-label", picture.querySelector("title")?.textContent ?? "");
  place.replaceChildren(picture);
  if (focused) {
    [...place.querySelectorAll("[data-send]")].find((part) => part.dataset.send === focused)?.focus();
  }
}

function button(control, model) {
  const element = document.createElement("button");
  element.textContent = control.label;
  element.addEventListener("click", () => {
    if (element.getAttribute("aria-disabled") !== "true") model.send(control.send);
  });
  return [element, element];
}

function field(control, model) {
  const label = document.createElement("label");
  const element = document.createElement("input");
  element.value = control.value;
  element.spellcheck = false;
  element.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the notebook has shortcuts of its own
    if (event.key === "Enter") model.send({ ...control.send, value: element.value });
  });
  label.append(control.label, element);
  return [label, element];
}

function choice(control, model) {
  const label = document.createElement("label");
  const element = document.createElement("select");
  for (const option of control.options) element.add(new Option(option, option, false, option === control.value));
  element.addEventListener("change", () => model.send({ ...control.send, value: element.value }));
  label.append(control.label, element);
  return [label, element];
}

const KINDS = { button, field, choice };

function showControls(model, place) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const [key, typed] = [focused?.dataset.key, focused?.tagName === "INPUT" ? focused.value : undefined];
  place.replaceChildren();
  for (const control of model.get("controls")) {
    const [outer, inner] = KINDS[control.kind](control, model);
    inner.dataset.key = control.label;
    inner.title = control.hint;
    inner.setAttribute("aria-disabled", String(!control.enabled));
    place.append(outer);
    if (key === control.label) {
      if (typed !== undefined) inner.value = typed;
      inner.focus();
    }
  }
}

function showAnswer(model, place) {
  const answer = model.get("answer");
  place.textContent = answer.text;
  place.classList.toggle("axlab-refused", !answer.ok);
}

function render({ model, el }) {
  el.classList.add("axlab-view");
  const picture = document.createElement("div");
  const controls = document.createElement("div");
  const answer = document.createElement("pre");
  picture.className = "axlab-picture";
  controls.className = "axlab-controls";
  controls.setAttribute("role", "toolbar");
  answer.className = "axlab-answer";
  answer.setAttribute("role", "status");
  el.replaceChildren(picture, controls, answer);

  const press = (event) => {
    const part = event.target.closest("[data-send]");
    if (!part || (event.type === "keydown" && !PRESS.has(event.key))) return;
    event.preventDefault();
    event.stopPropagation();
    model.send(JSON.parse(part.dataset.send));
  };
  picture.addEventListener("click", press);
  picture.addEventListener("keydown", press);

  const parts = { svg: [showPicture, picture], controls: [showControls, controls], answer: [showAnswer, answer] };
  const stops = Object.entries(parts).map(([name, [show, place]]) => {
    const update = () => show(model, place);
    update();
    model.on(`change:${name}`, update);
    return () => model.off(`change:${name}`, update);
  });
  model.send({ here: 1 });
  return () => {
    stops.forEach((stop) => stop());
    model.send({ here: -1 });
  };
}

export default { render };
