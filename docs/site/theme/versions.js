// The list of versions lies beside the folders of all versions, so that old pages know of new ones. From a file, too.
document.addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector(".docs-versions");
  if (!box) return;
  const root = new URL(box.dataset.root || "./", document.baseURI);
  const list = document.createElement("script");
  list.src = new URL("../versions.js", root).href;
  list.onload = () => {
    const select = box.querySelector("select");
    select.replaceChildren(
      ...window.docsVersions.map((name) => new Option(name, name, false, name === box.dataset.version)),
    );
    select.addEventListener("change", () => {
      window.location.href = new URL(`../${encodeURIComponent(select.value)}/index.html`, root).href;
    });
  };
  document.head.append(list);
});
