/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Loaded before anything is drawn, so that a chosen theme does not flash. Without a choice the system's wish holds. */
(function () {
    "use strict";
    try {
        var chosen = localStorage.getItem("greenroom.theme");
        if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
    } catch (refused) {
        /* no storage: the system's wish */
    }
}());
