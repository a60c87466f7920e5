// What scripts of pages find beside the browser's own, for tsc alone.

interface Window {
  /** vendor/htmx.org; it swaps by the extension that morphs. */
  htmx?: {
    swap(target: Element, content: string, spec: object, options: { contextElement: Element }): void;
  };
  /** What the image viewer reads; see viewer/app-config.js. */
  config: object;
  PUBLIC_URL: string | undefined;
  browserImportFunction(module: string): Promise<unknown>;
}

/** vendor/echarts. */
declare const echarts: {
  init(place: HTMLElement, theme: null, options: { renderer: "svg" }): Chart;
};

interface Chart {
  on(event: string, told: () => void): void;
  setOption(option: object): void;
  resize(): void;
  getWidth(): number;
  getHeight(): number;
}

// Of the audio worklet, in which recorder.js runs.

declare const sampleRate: number;
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
