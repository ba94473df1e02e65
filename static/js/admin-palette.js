// The command palette in the admin, which has none of the site's other scripts.

import { connectPalette } from "./palette-opener.js";

connectPalette();
