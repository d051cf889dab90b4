// Styles that a view imports are gathered by the bundler.
declare module "*.css";
