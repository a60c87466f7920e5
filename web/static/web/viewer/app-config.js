/* Settings of the image viewer (OHIF 3.13), and what joins it to the reading page.

The viewer and our pages talk over BroadcastChannel "ris-pacs-viewer". Every message is an object with `type`:

  from the viewer
    {type: "shown", studies: [uid…], patients: [id…]}   what its viewports show; whenever that changes, and as
                                                        the answer to "who". `studies` are Study Instance UIDs,
                                                        `patients` Patient IDs as the images have them; both are
                                                        empty while nothing is shown.
    {type: "key-image", study, series, instance, frame} k was pressed: the image under the active viewport;
                                                        `frame` counts from 1.
    {type: "closed"}                                    the window goes away.
  to the viewer
    {type: "open", study: uid}                          shows another study, without loading the page again;
                                                        `studies: [uid…]` shows several, with
                                                        `compare: true` the second beside the first.
    {type: "who"}                                       asks for "shown".
    {type: "warn", text: "…"}                           shows a bar with the text; an empty text takes it away.

Only pages of this origin can take part. One who opens the viewer does so in the window named "viewer":
window.open("/viewer?StudyInstanceUIDs=…", "viewer"). A page that asked "who" and hears nothing within a second
takes it that no viewer is open. */

"use strict";

/**
 * What we use of OHIF; its services are described at https://docs.ohif.org/platform/services.
 * @typedef {{ instances?: Instance[], images?: Instance[], instance?: Instance, StudyInstanceUID: string }} DisplaySet
 * @typedef {Record<string, unknown>} Instance
 * @typedef {{
 *   EVENTS: Record<string, string>,
 *   subscribe(event: string, told: (what: any) => void): void,
 *   getDisplaySetByUID(uid: string): DisplaySet | undefined,
 *   getState(): { viewports: Map<string, { displaySetInstanceUIDs?: string[] }>, activeViewportId?: string },
 *   getCornerstoneViewport(id: string): { getCurrentImageId?(): string } | undefined,
 * }} Service
 * @typedef {{
 *   viewportGridService: Service,
 *   displaySetService: Service,
 *   cornerstoneViewportService?: Service,
 * }} Services
 * @typedef {{ runCommand(name: string, options: object): void }} Commands
 */

window.PUBLIC_URL = /** @type {HTMLScriptElement} */ (document.currentScript).dataset.base;
window.browserImportFunction = (module) => import(module);

const CHANNEL = "ris-pacs-viewer";
const UID = /^[0-9]+(\.[0-9]+)+$/;
const IMAGE = /\/studies\/([0-9.]+)\/series\/([0-9.]+)\/instances\/([0-9.]+)(?:\/frames\/([0-9]+))?/;

const COMPARE = "@ohif/hpCompare";
const STACK = "@ohif/extension-default.sopClassHandlerModule.stack";
const RETIRED = ["3", "5", "6", "12.3", "77.1", "77.2"].map((end) => `1.2.840.10008.5.1.4.1.1.${end}`);

/**
 * What the viewports show, as a message.
 * @param {Services} services
 */
function shown({ viewportGridService, displaySetService }) {
  const studies = new Set();
  const patients = new Set();
  for (const viewport of viewportGridService.getState().viewports.values()) {
    for (const uid of viewport.displaySetInstanceUIDs ?? []) {
      const displaySet = displaySetService.getDisplaySetByUID(uid);
      if (!displaySet) continue;
      studies.add(displaySet.StudyInstanceUID);
      const [instance] = displaySet.instances ?? displaySet.images ?? [displaySet.instance];
      if (instance?.PatientID) patients.add(String(instance.PatientID));
    }
  }
  return { type: "shown", studies: [...studies], patients: [...patients] };
}

/**
 * The image under the active viewport, as a message; nothing if there is none.
 * @param {Services} services
 */
function keyImage({ viewportGridService, cornerstoneViewportService }) {
  const id = viewportGridService.getState().activeViewportId;
  const viewport = id && cornerstoneViewportService?.getCornerstoneViewport(id);
  const found = IMAGE.exec((viewport && viewport.getCurrentImageId?.()) || "");
  if (!found) return null;
  const [, study, series, instance, frame] = found;
  return { type: "key-image", study, series, instance, frame: Number(frame ?? 1) };
}

/**
 * Show studies, without loading the page again.
 * @param {Commands} commands
 * @param {unknown[]} studies
 * @param {boolean} isCompared whether the second stands beside the first
 */
function openStudies(commands, studies, isCompared) {
  const wanted = studies.filter((uid) => typeof uid === "string" && uid.length <= 64 && UID.test(uid));
  const now = new URLSearchParams(location.search).get("StudyInstanceUIDs");
  if (!wanted.length || wanted.join(",") === now) return;
  const beside = isCompared ? `&hangingProtocolId=${COMPARE}` : "";
  commands.runCommand("navigateHistory", { to: `/viewer?StudyInstanceUIDs=${wanted.join(",")}${beside}` });
}

/**
 * Some devices write a spacing of 0, with which nothing can be shown.
 * @param {{ displaySetsAdded: DisplaySet[] }} event
 */
function dropSpacingOfZero({ displaySetsAdded }) {
  for (const instance of displaySetsAdded.flatMap((displaySet) => displaySet.instances ?? [])) {
    for (const name of ["PixelSpacing", "ImagerPixelSpacing"]) {
      const spacing = /** @type {unknown[]} */ ([]).concat(instance[name] ?? []);
      if (!spacing.every((value) => Number(value) > 0)) delete instance[name];
    }
  }
}

/**
 * Join the viewer to the reading page.
 * @param {Services} services
 * @param {Commands} commands
 */
function joinReading(services, commands) {
  const { viewportGridService, displaySetService } = services;
  const channel = new BroadcastChannel(CHANNEL);
  let last = "";

  /** @param {boolean} always even if nothing else is shown than before */
  const tell = (always) => {
    const message = shown(services);
    const text = JSON.stringify(message);
    if (!always && text === last) return;
    last = text;
    channel.postMessage(message);
  };

  channel.onmessage = ({ data }) => {
    if (data?.type === "who") tell(true);
    else if (data?.type === "open") {
      openStudies(commands, [].concat(data.studies ?? data.study ?? []), data.compare === true);
    } else if (data?.type === "warn") warn(String(data.text ?? ""));
  };
  displaySetService.subscribe(displaySetService.EVENTS.DISPLAY_SETS_ADDED, dropSpacingOfZero);
  for (const event of Object.values(viewportGridService.EVENTS)) {
    viewportGridService.subscribe(event, () => tell(false));
  }
  displaySetService.subscribe(displaySetService.EVENTS.DISPLAY_SETS_CHANGED, () => tell(false));
  addEventListener("pagehide", () => channel.postMessage({ type: "closed" }));
  addEventListener("keydown", (event) => {
    const isPlain = event.key === "k" && !event.ctrlKey && !event.altKey && !event.metaKey;
    const isTyping =
      event.target instanceof Element && event.target.closest("input, textarea, [contenteditable]");
    const message = isPlain && !isTyping && keyImage(services);
    if (message) channel.postMessage(message);
  });
}

const readingRoom = {
  id: "ris-pacs.reading-room",

  /** @param {{ extensionManager: { getModuleEntry(id: string): { sopClassUids: string[] } | undefined } }} managers */
  onModeEnter({ extensionManager }) {
    // Images of retired SOP classes (PS3.4 B.6) are images still.
    const known = extensionManager.getModuleEntry(STACK)?.sopClassUids;
    known?.push(...RETIRED.filter((uid) => !known.includes(uid)));
  },

  /** @param {{ servicesManager: { services: Services }, commandsManager: Commands }} managers */
  preRegistration({ servicesManager, commandsManager }) {
    joinReading(servicesManager.services, commandsManager);
  },
};

/**
 * Show a bar with a text; an empty text takes it away.
 * @param {string} text
 */
function warn(text) {
  let bar = document.getElementById("warning");
  if (!bar) {
    bar = document.createElement("p");
    bar.id = "warning";
    bar.setAttribute("role", "alert");
    document.body.prepend(bar);
  }
  bar.textContent = text;
  bar.hidden = !text;
}

window.config = {
  name: "ris-pacs",
  routerBasename: "/",
  extensions: [readingRoom],
  modes: [],
  customizationService: {
    global: [
      {
        "ohif.tours": { $set: [] },
        // It finds other studies by Patient ID alone, which two hospitals may have given to two people. Priors
        // are found by us, and opened with the study.
        "studyBrowser.studyMode": { $set: "primary" },
      },
    ],
  },
  whiteLabeling: {
    /** @param {{ createElement(name: string, properties: object, text: string): object }} React */
    createLogoComponentFn: (React) => React.createElement("a", { href: "/", className: "mark" }, "RIS/PACS"),
  },
  showStudyList: false,
  // Whose images these are is always on the screen.
  showPatientInfo: "visibleReadOnly",
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: true,
  showLoadingIndicator: true,
  showErrorDetails: "always",
  investigationalUseDialog: { option: "never" },
  strictZSpacingForVolumeViewport: true,
  groupEnabledModesFirst: true,
  maxNumberOfWebWorkers: 3,
  maxNumRequests: { interaction: 20, thumbnail: 5, prefetch: 10 },
  defaultDataSourceName: "dicomweb",
  dataSources: [
    {
      namespace: "@ohif/extension-default.dataSourcesModule.dicomweb",
      sourceName: "dicomweb",
      configuration: {
        friendlyName: "RIS/PACS",
        name: "RIS/PACS",
        qidoRoot: `${location.origin}/dicom-web`,
        wadoRoot: `${location.origin}/dicom-web`,
        wadoUriRoot: `${location.origin}/wado`,
        qidoSupportsIncludeField: true,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        imageRendering: "wadors",
        thumbnailRendering: "thumbnail",
        thumbnailRequestStrategy: "fetch",
        enableStudyLazyLoad: true,
        singlepart: "bulkdata,video",
        bulkDataURI: { enabled: true },
      },
    },
  ],
  /** @param {{ status?: number } | undefined} error */
  httpErrorHandler: (error) => {
    // The session has ended: the page goes by way of the sign-in and comes back.
    if (error?.status === 401) location.reload();
  },
};
