// What a view returns is a description of elements; `show` changes the page only where it differs from what stands
// there, so that a slider may be dragged, and a focus stays where it is, while everything around it is drawn anew.

const SVG = "http://www.w3.org/2000/svg";

// Describe an element. Properties: `onclick` and other handlers; `html`, its content as markup; `draw`, a function that
// paints a canvas, and `drawn`, a text: the canvas is painted again only when that text changes; all others are
// attributes, left out where they are null or false. Children: descriptions, texts, numbers, lists of them, or null.
export function h(tag, properties, ...children) {
  const flat = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  return { tag, properties: properties || {}, children: flat };
}

// Let the children of `element` be what `children` describe.
export function show(element, children) {
  const wanted = [children].flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  wanted.forEach((child, place) => {
    const there = element.childNodes[place];
    if (!there) element.append(make(child, element));
    else if (fits(there, child)) update(there, child);
    else there.replaceWith(make(child, element));
  });
  while (element.childNodes.length > wanted.length) element.lastChild.remove();
}

function fits(node, child) {
  if (typeof child !== "object") return node.nodeType === Node.TEXT_NODE;
  return node.nodeType === Node.ELEMENT_NODE && node.localName === child.tag && node.shownKey === child.properties.key;
}

function make(child, parent) {
  if (typeof child !== "object") return document.createTextNode(String(child));
  const drawing = child.tag === "svg" || parent.namespaceURI === SVG;
  const element = drawing ? document.createElementNS(SVG, child.tag) : document.createElement(child.tag);
  element.shownKey = child.properties.key;
  element.shown = {};
  update(element, child);
  return element;
}

function update(node, child) {
  if (typeof child !== "object") {
    if (node.data !== String(child)) node.data = String(child);
    return;
  }
  const { properties, children } = child;
  for (const name of Object.keys(node.shown)) if (!(name in properties)) setProperty(node, name, null);
  for (const [name, value] of Object.entries(properties)) {
    if (name !== "value" && name !== "draw" && node.shown[name] !== value) setProperty(node, name, value);
  }
  if (properties.html === undefined) show(node, children);
  if ("value" in properties && node !== document.activeElement && node.value !== String(properties.value)) {
    node.value = String(properties.value); // after its children: a list's options come first
  } else if (node.type === "range" && "value" in properties && !node.matches(":active")) {
    node.value = String(properties.value);
  }
  if (properties.draw && (properties.drawn === undefined || node.lastDrawn !== properties.drawn)) {
    node.lastDrawn = properties.drawn;
    properties.draw(node);
  }
  node.shown = properties;
}

function setProperty(node, name, value) {
  if (name === "key" || name === "drawn" || name === "draw") return;
  if (name.startsWith("on")) node[name] = value;
  else if (name === "html") node.innerHTML = value ?? "";
  else if (name === "checked" || name === "disabled" || name === "hidden") node[name] = Boolean(value);
  else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}
