// The OpenAPI document, as a page; nothing is fetched but the document.
import { h, problem } from "./dom.js";

const main = document.getElementById("main");
try {
  const document_ = await (await fetch(new URL("openapi.json", document.baseURI))).json();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(methods)) main.append(section(path, method, operation, document_));
  }
} catch (error) {
  main.append(problem(error));
}

function section(path, method, operation, whole) {
  const body = operation.requestBody?.content?.["multipart/form-data"]?.schema;
  return h("section", { class: "card", "aria-label": `${method.toUpperCase()} ${path}` },
    h("div", { class: "class-head" }, h("h2", {}, h("code", {}, `${method.toUpperCase()} ${path}`)), operation.security?.length ? h("span", { class: "tag warn" }, "admin token") : ""),
    h("p", {}, operation.summary), operation.description && h("p", { class: "quiet" }, operation.description),
    parameters(operation, body, whole),
    operation["x-curl"] && h("pre", { tabIndex: 0 }, h("code", {}, operation["x-curl"])),
    h("details", { class: "small quiet" }, h("summary", {}, `Answers: ${Object.keys(operation.responses).join(", ")}`),
      h("ul", {}, Object.entries(operation.responses).map(([status, response]) => h("li", {}, `${status} ${response.description}`)))));
}

function parameters(operation, body, whole) {
  const resolved = body?.$ref ? body.$ref.split("/").slice(1).reduce((at, key) => at[key], whole) : body;
  const rows = [
    ...(operation.parameters ?? []).map((each) => [each.name, each.in, each.description ?? "", each.required]),
    ...Object.entries(resolved?.properties ?? {}).map(([name, schema]) => [name, "field", schema.description ?? "", resolved.required?.includes(name)]),
  ];
  if (!rows.length) return "";
  return h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "What is sent" }, h("table", {}, h("thead", {}, h("tr", {}, ["name", "where", "what"].map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, rows.map(([name, where, what, required]) => h("tr", {}, h("td", {}, h("code", {}, name)), h("td", {}, where + (required ? ", needed" : "")), h("td", {}, what))))));
}
