// Keys of the whole page: Escape stops the run, and Ctrl+V adds pictures from the clipboard, whatever has the focus.
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
    const files = new DataTransfer();
    for (const picture of pictures) files.items.add(picture);
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}
