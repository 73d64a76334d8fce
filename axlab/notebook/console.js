// The live view of a console: lines that went off the top, the screen's rows, and what is typed.
// Rows come as HTML in which every character of the guest is escaped.

const KEYS = {
  Enter: "\r", Backspace: "\x7f", Escape: "\x1b", Delete: "\x1b[3~", Insert: "\x1b[2~",
  ArrowUp: "\x1b[A", ArrowDown: "\x1b[B", ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D",
  Home: "\x1b[H", End: "\x1b[F", PageUp: "\x1b[5~", PageDown: "\x1b[6~",
};
const BUTTONS = [["Tab", "\t"], ["Esc", "\x1b"], ["Ctrl-C", "\x03"], ["Ctrl-D", "\x04"]];
const MOST = 2000; // lines above the screen

function typed(event) {
  if (event.ctrlKey && !event.altKey && !event.metaKey && event.key.length === 1) {
    if (event.key === "c" && !document.getSelection().isCollapsed) return undefined; // copies what is marked
    if (event.key === "v") return undefined; // pastes
    const code = event.key.toUpperCase().charCodeAt(0);
    return code >= 64 && code < 96 ? String.fromCharCode(code - 64) : undefined;
  }
  if (event.metaKey || event.isComposing) return undefined;
  if (event.key in KEYS) return KEYS[event.key];
  return event.key.length === 1 ? (event.altKey ? "\x1b" : "") + event.key : undefined;
}

function element(name, className, parent) {
  const made = document.createElement(name);
  made.className = className;
  parent.append(made);
  return made;
}

function line(html) {
  const made = document.createElement("div");
  made.innerHTML = html || " ";
  return made;
}

function render({ model, el }) {
  el.classList.add("axlab-view", "axlab-console");
  el.replaceChildren();
  const title = element("div", "axlab-console-title", el);
  const terminal = element("div", "axlab-terminal", el);
  const past = element("div", "axlab-past", terminal);
  const screen = element("div", "axlab-screen", terminal);
  const controls = element("div", "axlab-controls", el);
  const answer = element("pre", "axlab-answer", el);
  const { ground, ink } = model.get("colours");
  Object.assign(terminal.style, { background: ground, color: ink });
  terminal.tabIndex = 0;
  terminal.setAttribute("role", "log");
  terminal.setAttribute("aria-description", "What you type goes to the guest. Tab leaves the console; there is a button for it.");
  controls.setAttribute("role", "toolbar");
  answer.setAttribute("role", "status");

  const send = (text) => model.send({ typed: text });
  const run = element("button", "axlab-run", controls);
  run.addEventListener("click", () => model.send({ live: !model.get("facts").live }));
  for (const [label, text] of BUTTONS) {
    const button = element("button", "", controls);
    button.textContent = label;
    button.addEventListener("click", () => (send(text), terminal.focus()));
  }
  terminal.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the notebook has shortcuts of its own
    if (event.key === "Tab") return;
    const text = typed(event);
    if (text === undefined) return;
    event.preventDefault();
    send(text);
  });
  terminal.addEventListener("paste", (event) => {
    event.preventDefault();
    event.stopPropagation();
    send(event.clipboardData.getData("text").replace(/\r?\n/g, "\r"));
  });

  let said = ""; // why the machine stands
  const showFacts = () => {
    const facts = model.get("facts");
    const waiting = facts.waiting ? ` · ${facts.waiting} typed, not read yet` : "";
    title.textContent = facts.title + (facts.live ? " · the machine runs" : "") + waiting;
    terminal.setAttribute("aria-label", facts.title);
    run.textContent = facts.live ? "Pause" : "Run";
    run.title = facts.live ? "Let virtual time stand still" : "Let the machine run, never ahead of the clock";
    if (facts.message !== said) show({ text: facts.message, ok: false });
    said = facts.message;
  };
  const show = ({ text, ok }) => {
    answer.textContent = text;
    answer.classList.toggle("axlab-refused", !ok);
  };
  const showAnswer = () => show(model.get("answer"));
  const update = (message) => {
    const atEnd = terminal.scrollTop + terminal.clientHeight >= terminal.scrollHeight - 4;
    if (message.all) {
      past.replaceChildren();
      screen.replaceChildren();
    }
    past.append(...message.past.map(line));
    while (past.childElementCount > MOST) past.firstChild.remove();
    for (const [number, html] of Object.entries(message.rows)) {
      while (screen.childElementCount <= number) screen.append(line(""));
      screen.children[number].replaceWith(line(html));
    }
    while (screen.childElementCount > message.count) screen.lastChild.remove();
    if (atEnd || message.all) terminal.scrollTop = terminal.scrollHeight;
  };
  showFacts();
  showAnswer();
  model.on("change:facts", showFacts);
  model.on("change:answer", showAnswer);
  model.on("msg:custom", update);
  model.send({ hello: true });
  return () => {
    model.off("change:facts", showFacts);
    model.off("change:answer", showAnswer);
    model.off("msg:custom", update);
  };
}

export default { render };
