// Sizes of the board: columns, the shape of the pictures, heights of the rows. All are known before a picture has loaded.

export const MIN_COLUMNS = 2, MAX_COLUMNS = 8;
const PHONE_PX = 640, MIN_CARD_PX = 96;
const GAP_PX = 16, PHONE_GAP_PX = 10, CAPTION_PX = 58, PARTS_PX = 28;
const MOST_HEIGHT_PX = 440;  // of a picture, unless people chose a size, so that more than one row is seen
const SHAPES = [2 / 3, 3 / 4, 1, 4 / 3, 3 / 2];  // width to height

// Three columns, two on phones, or as many as were chosen and fit.
function columnsFor(width, chosen) {
  const columns = chosen ?? (width < PHONE_PX ? 2 : 3);
  return Math.max(MIN_COLUMNS, Math.min(columns, MAX_COLUMNS, Math.floor(width / MIN_CARD_PX)));
}

// The shape that suits most pictures, so that whole pictures fill their cards as well as possible.
export function shapeFor(pictures) {
  const ratios = [...pictures].filter((picture) => picture.width && picture.height)
    .map((picture) => picture.width / picture.height).sort((one, other) => one - other);
  const middle = ratios[Math.floor(ratios.length / 2)] ?? 4 / 3;
  const distance = (shape) => Math.abs(Math.log(shape / middle));
  return SHAPES.reduce((best, shape) => distance(shape) < distance(best) ? shape : best);
}

// chosen: columns that people chose, or undefined. hasParts: whether cards have a line for the parts of the sentence.
export function layoutFor(width, chosen, shape, hasParts) {
  const columns = columnsFor(width, chosen);
  const gap = width < PHONE_PX ? PHONE_GAP_PX : GAP_PX;
  const cardWidth = Math.floor((width - gap * (columns - 1)) / columns);
  const pictureHeight = Math.round(Math.min(cardWidth / shape, chosen ? Infinity : MOST_HEIGHT_PX));
  const cardHeight = pictureHeight + CAPTION_PX + (hasParts ? PARTS_PX : 0);
  return { columns, gap, cardWidth, pictureHeight, cardHeight, rowHeight: cardHeight + gap };
}

// Where a card is on the board, in pixels.
export const placeOf = (index, { columns, gap, cardWidth, rowHeight }) =>
  ({ x: (index % columns) * (cardWidth + gap), y: Math.floor(index / columns) * rowHeight });
