
(() => {
  const form = document.getElementById("find-form");
  if (!form) return;
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const day = form.elements.day.value;
    const month = document.querySelector(`[data-month="${day.slice(0, 7)}"]`);
    if (day && month) location.href = month.href + "#d" + day;
    else form.querySelector("output").textContent = day ? "Nothing is known of that month." : "Choose a date.";
  });
})();
