/** Two soft tones, a fifth apart: frequency in hertz and when each begins, in seconds. */
const TONES = [[660, 0], [990, 0.09]] as const;
const SECONDS = 0.25;
const VOLUME = 0.08;
/** What arrives together sounds once. */
const PAUSE_MS = 1_000;

/** A short sound, made on the spot. Silent until the user has touched the page: browsers allow it only then. */
export class Sound {
  #context: AudioContext | undefined;
  #last = -Infinity;

  play(): void {
    if (navigator.userActivation?.hasBeenActive === false || !globalThis.AudioContext) return;
    if (performance.now() - this.#last < PAUSE_MS) return;
    this.#last = performance.now();
    const context = (this.#context ??= new AudioContext());
    // Without permission the promise waits or fails, and so does the sound.
    context.resume().then(() => TONES.forEach(([hertz, delay]) => tone(context, hertz, delay)), () => undefined);
  }

  stop(): void {
    void this.#context?.close();
    this.#context = undefined;
  }
}

function tone(context: AudioContext, hertz: number, delay: number): void {
  const [oscillator, gain] = [context.createOscillator(), context.createGain()];
  const begin = context.currentTime + delay;
  oscillator.frequency.value = hertz;
  gain.gain.setValueAtTime(VOLUME, begin);
  gain.gain.exponentialRampToValueAtTime(0.0001, begin + SECONDS);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(begin);
  oscillator.stop(begin + SECONDS);
}
