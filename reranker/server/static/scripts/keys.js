// Of the whole page: Escape stops what runs, and Ctrl+V adds the pictures of the clipboard, wherever one is.
() => {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const stop of document.querySelectorAll("#stop, #stop-evaluation")) if (!stop.disabled) stop.click();
  });
  document.addEventListener("paste", (event) => {
    const pictures = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    const input = document.querySelector("#pictures input[type=file]");
    if (!pictures.length || !input) return;
    event.preventDefault();
    const given = new DataTransfer();
    for (const picture of pictures) given.items.add(picture);
    input.files = given.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}
