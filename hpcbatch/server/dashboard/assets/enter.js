// Keeps the half of the session that no other port gets, and forgets the page that brought it.
"use strict";
const told = document.querySelector('meta[name="hpcbatch-token"]');
localStorage.setItem("hpcbatch-token", told.content);
location.replace("/");
