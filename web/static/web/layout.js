// Every page: keys, lists, live changes, actions, pictures. Each part works by itself; pages work without any of
// them.
import "./shortcuts.js";
import "./list.js";
import "./live.js";
import "./actions.js";
import "./image_fallbacks.js";
import "./scrollers.js";
