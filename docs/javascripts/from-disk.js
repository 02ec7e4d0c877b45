// A page that was opened from disk may not read the index that the search is made of: it says so, and what helps.
if (location.protocol === "file:") {
  const how = "Search needs a server: python -m http.server --directory site";
  for (const button of document.querySelectorAll(".md-search__button, [for=__search]")) {
    button.title = how;
    button.addEventListener(
      "click",
      (event) => {
        event.preventDefault();
        event.stopImmediatePropagation();
        alert(how);
      },
      true,
    );
  }
  for (const button of document.querySelectorAll(".md-search__button")) button.textContent = "No search from disk";
}
