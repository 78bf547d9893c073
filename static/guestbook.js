// Comforts of the guestbook, which does without them, too.
"use strict";

const language = document.documentElement.lang;

// When an entry was written, by the reader's own clock

const moment = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" });
for (const time of document.querySelectorAll("time")) time.textContent = moment.format(new Date(time.dateTime));

// How many characters are left, counted as the site counts them

const text = document.getElementById("text");
const left = document.getElementById("text-left");

function count() {
  const most = Number(left.dataset.most);
  const rest = most - [...text.value.trim().normalize("NFC")].length;
  const number = new Intl.NumberFormat(language).format(Math.abs(rest));
  left.textContent = rest < 0 ? `${number} too many` : rest < most / 4 ? `${number} left` : "";
  left.classList.toggle("over", rest < 0);
}

let pause;

if (text) {
  text.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(count, 400); // or a screen reader would read each number
  });
  count();
}

// The picture that was chosen, above the words for it; drawn, so that no policy has to let in more than the site's own

const picture = document.getElementById("picture");
const preview = document.getElementById("preview");

async function show() {
  const [file] = picture.files;
  const words = document.getElementById("alt").closest(".field");
  words.hidden = !file && !document.getElementById("alt").value;
  preview.hidden = true;
  const large = file && file.size > Number(picture.dataset.most);
  picture.setCustomValidity(large ? "This file is too large. Please choose another." : "");
  if (!file || large) return;
  try {
    const image = await createImageBitmap(file, { resizeWidth: preview.width, resizeQuality: "medium" });
    if (file !== picture.files[0]) return; // another has been chosen meanwhile
    preview.height = image.height;
    preview.getContext("bitmaprenderer").transferFromImageBitmap(image);
    preview.hidden = false;
  } catch {
    // No browser shows it. Whether it is a picture, the site says.
  }
}

if (picture) {
  picture.addEventListener("change", show);
  show();
}
