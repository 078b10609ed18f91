export { checkSealedForm, MAX_SEALED_BYTES } from "./form.ts";
export {
  MAX_BODY_BYTES as MAX_MESSAGE_BODY_BYTES,
  MAX_MESSAGE_SECONDS,
  type SealedMessage,
  MESSAGE_TYP,
  signMessage,
  verifyMessage,
} from "./message.ts";
export {
  DELIVERY_TYP,
  type DeliveryRequest,
  INBOX_TYP,
  type InboxAction,
  inboxActions,
  type InboxRequest,
  signDelivery,
  signInboxRequest,
  verifyDelivery,
  verifyInboxRequest,
} from "./requests.ts";
export { x25519PrivateKey, x25519PublicKey } from "./x25519.ts";
