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
                                                        `studies: [uid…]` shows several.
    {type: "who"}                                       asks for "shown".
    {type: "warn", text: "…"}                           shows a bar with the text; an empty text takes it away.

Only pages of this origin can take part. One who opens the viewer does so in the window named "viewer":
window.open("/viewer?StudyInstanceUIDs=…", "viewer"). A page that asked "who" and hears nothing within a second
takes it that no viewer is open. */

"use strict";

window.PUBLIC_URL = document.currentScript.dataset.base;
window.browserImportFunction = (module) => import(module);

const CHANNEL = "ris-pacs-viewer";
const UID = /^[0-9]+(\.[0-9]+)+$/;
const IMAGE = /\/studies\/([0-9.]+)\/series\/([0-9.]+)\/instances\/([0-9.]+)(?:\/frames\/([0-9]+))?/;

const STACK = "@ohif/extension-default.sopClassHandlerModule.stack";
const RETIRED = ["3", "5", "6", "12.3", "77.1", "77.2"].map(
  (end) => `1.2.840.10008.5.1.4.1.1.${end}`,
);

const readingRoom = {
  id: "ris-pacs.reading-room",

  onModeEnter({ extensionManager }) {
    // Images of retired SOP classes (PS3.4 B.6) are images still.
    const known = extensionManager.getModuleEntry(STACK)?.sopClassUids;
    known?.push(...RETIRED.filter((uid) => !known.includes(uid)));
  },

  preRegistration({ servicesManager, commandsManager }) {
    const { viewportGridService, displaySetService, cornerstoneViewportService } = servicesManager.services;
    const channel = new BroadcastChannel(CHANNEL);
    let told = "";

    const shown = () => {
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
    };
    const tell = (always) => {
      const message = shown();
      const text = JSON.stringify(message);
      if (!always && text === told) return;
      told = text;
      channel.postMessage(message);
    };
    const open = (studies) => {
      const wanted = studies.filter((uid) => typeof uid === "string" && uid.length <= 64 && UID.test(uid));
      const now = new URLSearchParams(location.search).get("StudyInstanceUIDs");
      if (!wanted.length || wanted.join(",") === now) return;
      commandsManager.runCommand("navigateHistory", { to: `/viewer?StudyInstanceUIDs=${wanted.join(",")}` });
    };

    channel.onmessage = ({ data }) => {
      if (data?.type === "who") tell(true);
      else if (data?.type === "open") open([].concat(data.studies ?? data.study ?? []));
      else if (data?.type === "warn") warn(String(data.text ?? ""));
    };
    displaySetService.subscribe(displaySetService.EVENTS.DISPLAY_SETS_ADDED, ({ displaySetsAdded }) => {
      // Some devices write a spacing of 0, with which nothing can be shown.
      for (const instance of displaySetsAdded.flatMap((displaySet) => displaySet.instances ?? [])) {
        for (const name of ["PixelSpacing", "ImagerPixelSpacing"]) {
          if (instance[name] && ![].concat(instance[name]).every((value) => value > 0)) delete instance[name];
        }
      }
    });
    for (const event of Object.values(viewportGridService.EVENTS)) {
      viewportGridService.subscribe(event, () => tell(false));
    }
    displaySetService.subscribe(displaySetService.EVENTS.DISPLAY_SETS_CHANGED, () => tell(false));
    addEventListener("pagehide", () => channel.postMessage({ type: "closed" }));
    addEventListener("keydown", (event) => {
      const plain = event.key === "k" && !event.ctrlKey && !event.altKey && !event.metaKey;
      if (!plain || event.target.closest?.("input, textarea, [contenteditable]")) return;
      const id = viewportGridService.getState().activeViewportId;
      const viewport = id && cornerstoneViewportService?.getCornerstoneViewport(id);
      const found = IMAGE.exec(viewport?.getCurrentImageId?.() ?? "");
      if (!found) return;
      const [, study, series, instance, frame] = found;
      channel.postMessage({ type: "key-image", study, series, instance, frame: Number(frame ?? 1) });
    });
  },
};

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
  httpErrorHandler: (error) => {
    // The session has ended: the page goes by way of the sign-in and comes back.
    if (error?.status === 401) location.reload();
  },
};
