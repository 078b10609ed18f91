type Child = Node | string;

/** An element with attributes and children. Strings become text nodes: nothing here turns one into markup. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** A quiet button. */
export function button(label: string, press: () => void): HTMLButtonElement {
  const node = element("button", { type: "button", class: "quiet" }, label);
  node.addEventListener("click", press);
  return node;
}
