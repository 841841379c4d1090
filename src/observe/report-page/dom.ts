/**
 * The few browser types that the page's script uses. The DOM library itself cannot be loaded beside the
 * worker's: the two declare the same globals differently.
 */
export interface Browser {
  readonly document: {
    getElementById(id: string): PageElement | null;
    querySelectorAll(selector: string): Iterable<PageElement>;
    createElement(name: string): PageElement;
  };
  readonly devicePixelRatio: number;
  readonly innerWidth: number;
  requestAnimationFrame(draw: () => void): number;
  addEventListener(type: 'resize', listener: () => void): void;
}

export interface PageElement {
  textContent: string | null;
  className: string;
  hidden: boolean;
  readonly style: Record<string, string>;
  readonly dataset: Record<string, string>;
  readonly classList: { toggle(name: string, force?: boolean): boolean };
  readonly offsetTop: number;
  readonly offsetHeight: number;
  readonly offsetWidth: number;
  readonly clientWidth: number;
  getBoundingClientRect(): { readonly left: number; readonly top: number };
  append(child: PageElement): void;
  replaceChildren(): void;
  setPointerCapture(pointer: number): void;
  focus(options: { preventScroll: boolean }): void;
  addEventListener<Type extends keyof PageEvents>(
    type: Type,
    listener: (event: PageEvents[Type]) => void,
    options?: { passive: boolean },
  ): void;
}

export interface PageCanvas extends PageElement {
  width: number;
  height: number;
  getContext(kind: '2d'): OffscreenCanvasRenderingContext2D | null;
}

export interface PointerAt {
  readonly clientX: number;
  readonly clientY: number;
  readonly pointerId: number;
  readonly buttons: number;
  preventDefault(): void;
}

interface PageEvents {
  click: PointerAt;
  dblclick: PointerAt;
  pointerdown: PointerAt;
  pointermove: PointerAt;
  pointerup: PointerAt;
  pointerleave: PointerAt;
  wheel: PointerAt & {
    readonly deltaX: number;
    readonly deltaY: number;
    readonly deltaMode: number;
  };
  keydown: { readonly key: string; preventDefault(): void };
}
