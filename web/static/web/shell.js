// Every page: keys, lists, live changes, acts. Each part works by itself; pages work without any of them.
import "./keys.js";
import "./list.js";
import "./live.js";
import "./acts.js";
