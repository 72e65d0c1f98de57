// What the page offers, in order. A tab more is a module more and a line here: { id, title, needsToken, show(panel) }.
import { classesTab } from "./classes.js";
import { reviewTab } from "./review.js";
import { startTab } from "./start.js";
import { teachTab } from "./teach.js";
import { tryTab } from "./try.js";
import { versionsTab } from "./versions.js";

/** The tabs of a service: with a classifier, or in a workspace that has none yet. */
export const tabsOf = (about) => (about.trained ? [tryTab, teachTab, reviewTab, classesTab, versionsTab] : [startTab]);
