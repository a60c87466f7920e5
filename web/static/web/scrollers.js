// Tables wider than their frame scroll in it; then the frame takes the focus, so that keys can scroll it.
import { all } from "./dom.js";

function mark() {
  for (const frame of all(".table")) {
    const isWide = frame.scrollWidth > frame.clientWidth || frame.scrollHeight > frame.clientHeight;
    if (isWide) frame.tabIndex = 0;
    else if (!frame.hasAttribute("role")) frame.removeAttribute("tabindex");
  }
}

mark();
addEventListener("resize", mark);
