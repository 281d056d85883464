// What was not judged: the button ranks again, where all that is known is not judged anew.
element.addEventListener("click", (event) => {
  if (event.target.closest("button.retry")) trigger("click", {});
});
