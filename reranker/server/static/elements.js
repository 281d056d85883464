// Functions that the scripts of both pages use. Text from outside is set as text, never as HTML.

// Create an element. Attributes whose names begin with "on" are event listeners; children that are null are left out.
function createElement(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

// Move the focus between the buttons of a grid by the arrow keys, Home and End. The Tab key stops at one of them only.
function moveFocus(event, buttons) {
  const current = buttons.indexOf(document.activeElement);
  const secondRow = buttons.findIndex((button) => button.parentElement.offsetTop > buttons[0].parentElement.offsetTop);
  const columns = secondRow < 0 ? buttons.length : secondRow;
  const steps = {
    ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -current, End: buttons.length - 1 - current,
  };
  if (current < 0 || !(event.key in steps)) return;
  const next = buttons[Math.min(buttons.length - 1, Math.max(0, current + steps[event.key]))];
  event.preventDefault();
  buttons[current].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// Replace each {name} in a text by the value of that name.
const fillIn = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
